"""A prompt and a completion as tokens that people can look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from localcoder.completion.complete import Completion
from localcoder.completion.document import Document
from localcoder.engine.api import SpecialIds, Token
from localcoder.tui.text.display import drawable

LIKELY, DOUBTFUL, UNLIKELY = "likely", "doubtful", "unlikely"
_DOUBTFUL_BELOW = 0.6
_UNLIKELY_BELOW = 0.25
"""Probabilities. Chosen: more likely than not, with some to spare; and one guess of four."""
"""Probabilities. Chosen: worth a second look, and wrong more often than right."""


@dataclass(frozen=True)
class Coverage:
    """How many characters before and after the cursor went into a prompt, of how many; and which lines that is."""

    before: int
    before_total: int
    after: int
    after_total: int
    first_line: int
    last_line: int
    line_count: int


def coverage(document: Document, ids: Sequence[int], pieces: Sequence[bytes], special: SpecialIds) -> Coverage:
    """What of the file a fill-in-the-middle prompt holds, in either order of its parts."""
    parts: dict[int, bytearray] = {}
    marks = {special.fim_prefix, special.fim_suffix, special.fim_middle} - {None}
    mark = -1
    for id, piece in zip(ids, pieces, strict=True):
        if id in marks:
            mark = id
        else:
            parts.setdefault(mark, bytearray()).extend(piece)
    # With the suffix first, the prefix comes after <fim_middle>.
    prefix_mark = special.fim_prefix if special.fim_prefix in parts else special.fim_middle
    prefix = _text(parts.get(prefix_mark or 0, b""))
    if not document.prefix.endswith(prefix):
        # It begins with the file's own path.
        prefix = prefix.partition("\n")[2]
    before = len(prefix)
    after = len(_text(parts.get(special.fim_suffix or 0, b"")))
    text = document.text
    first = text.count("\n", 0, max(document.cursor - before, 0)) + 1
    last = text.count("\n", 0, max(document.cursor + after - 1, 0)) + 1
    return Coverage(before, len(document.prefix), after, len(document.suffix), first, last, text.count("\n") + 1)


def confidence(logprob: float | None) -> str:
    """How sure the model was of a token, in three steps."""
    probability = 1.0 if logprob is None else math.exp(logprob)
    return UNLIKELY if probability < _UNLIKELY_BELOW else DOUBTFUL if probability < _DOUBTFUL_BELOW else LIKELY


def doubt_spans(completion: Completion) -> tuple[tuple[int, int, str], ...]:
    """The parts of a completion's text that the model was not sure of: start, end, how unsure."""
    spans = []
    offset = 0
    for token in completion.tokens:
        end = min(offset + len(token.text), len(completion.text))
        if end > offset and (step := confidence(token.logprob)) != LIKELY:
            spans.append((offset, end, step))
        offset += len(token.text)
    return tuple(spans)


def prompt_text(ids: Sequence[int], pieces: Sequence[bytes], *, reused: int, special: SpecialIds) -> Text:
    """The prompt, each token set off from its neighbours; tokens that the KV cache had are dim."""
    control = set(vars(special).values()) - {None}
    text = Text(no_wrap=False)
    for index, (id, piece) in enumerate(zip(ids, pieces, strict=True)):
        if id in control:
            style = "bold reverse"
        else:
            style = ("on #2a3440" if index % 2 else "on #1c2530") + (" dim" if index < reused else "")
        text.append(shown(_text(piece)), style)
    return text


def tokens_text(tokens: Sequence[Token]) -> Text:
    """The generated tokens, coloured by how sure the model was."""
    styles = {LIKELY: "green", DOUBTFUL: "yellow", UNLIKELY: "bold red"}
    text = Text()
    for token in tokens:
        text.append(shown(token.text or f"<{token.id}>"), styles[confidence(token.logprob)])
    return text


def shown(piece: str) -> str:
    """A piece with its white space made visible; a newline still breaks the line."""
    return drawable(piece.replace("\r\n", "\n").replace("\n", "\0")).replace("␀", "⏎\n").replace("\t", "→   ")


def _text(piece: bytes | bytearray) -> str:
    return bytes(piece).decode("utf-8", "replace")
