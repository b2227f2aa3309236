"""Which files another machine may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import PurePath

from localcoder.completion.document import Document, Snippet
from localcoder.errors import LocalcoderError


def sendable(document: Document, host: str, never_sent: Sequence[str]) -> Document:
    """The document without pieces of files that may not be sent to this host; all of it where that is "".

    Raises LocalcoderError when it is such a file itself.
    """
    if not host:
        return document
    path = document.path
    if path is not None and (is_among(path.absolute(), never_sent) or is_among(path.resolve(), never_sent)):
        raise LocalcoderError(f"{path.name} is never sent to {host}.", "Use a local model here, or see `never_sent`.")

    def kept(snippets: tuple[Snippet, ...]) -> tuple[Snippet, ...]:
        return tuple(snippet for snippet in snippets if not is_among(snippet.path, never_sent))

    return replace(document, snippets=kept(document.snippets), head=kept(document.head))


def is_among(path: str | PurePath, patterns: Sequence[str]) -> bool:
    """Whether a pattern means this file: its name, or, where the pattern has a `/`, the end of its path.

    `*` stands for any characters, `/` too: `secrets/*` is all below any folder of that name.
    """
    path = PurePath(path)
    whole = "/" + path.as_posix()
    return any(
        fnmatch(whole, f"*/{pattern.lstrip('/')}") if "/" in pattern else fnmatch(path.name, pattern)
        for pattern in patterns
    )
