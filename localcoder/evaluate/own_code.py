"""The files that holes are cut out of: what somebody wrote, in a repository, as text that can be cut."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from localcoder.code.git import git
from localcoder.code.grammars import grammar_of
from localcoder.code.languages import Language, language_of
from localcoder.code.walk import code_files
from localcoder.code.written import is_generated, is_minified
from localcoder.errors import LocalcoderError

LARGEST_FILE_BYTES, SMALLEST_FILE_BYTES = 200_000, 200
"""Files outside of it are tables, or too little to leave anything around a hole."""
LONGEST_LINE = 500
"""Characters. Chosen: no line that somebody wrote is so long."""
_NOT_CODE = frozenset({"plain", "markdown", "json", "yaml", "toml"})


@dataclass(frozen=True)
class OwnFile:
    """One file: `name` is its path in the repository, `sha256` that of its bytes."""

    path: Path
    name: str
    text: str
    sha256: str
    language: Language


def own_files(folder: Path, *, since: datetime | None = None) -> list[OwnFile]:
    """The files of code below a folder that somebody wrote there, sorted by name.

    Left out are what git ignores, what is generated or minified, and what is not UTF-8. `since`: only files that came
    into the repository then or later; without git, those that were changed. Raises LocalcoderError (exit code 2).
    """
    if not folder.is_dir():
        raise LocalcoderError(f"There is no folder {folder}.", "Give the folder of a repository.", exit_code=2)
    folder = folder.resolve()
    paths = code_files(folder)
    if since is not None:
        paths = _newer(folder, paths, since)
    found = [file for path in paths if (file := _read(folder, path)) is not None]
    if not found:
        newer = f" that is newer than {since:%Y-%m-%d}" if since else ""
        todo = "Take an earlier date." if since else "Give the folder of a repository with code in it."
        raise LocalcoderError(f"There is no code of one's own in {folder}{newer}.", todo, exit_code=2)
    return found


def _read(folder: Path, path: Path) -> OwnFile | None:
    """None for what nobody wrote, and for what cannot be read as text or has no grammar."""
    try:
        # What a link leads to is in the repository by its own name, or is not one's own.
        if path.is_symlink() or not SMALLEST_FILE_BYTES <= path.stat().st_size <= LARGEST_FILE_BYTES:
            return None
        data = path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    language = language_of(path, text.partition("\n")[0])
    if language.name in _NOT_CODE or grammar_of(language) is None or "\0" in text or not _is_written(text):
        return None
    return OwnFile(path, path.relative_to(folder).as_posix(), text, hashlib.sha256(data).hexdigest(), language)


def _is_written(text: str) -> bool:
    longest = max(map(len, text.splitlines()), default=0)
    return longest <= LONGEST_LINE and not is_minified(text) and not is_generated(text)


def _newer(folder: Path, paths: Iterable[Path], since: datetime) -> list[Path]:
    """Those that first came in at `since` or later: a file that was only moved is as old as it was."""
    added = _dates_added(folder)
    found = []
    for path in paths:
        with suppress(OSError):
            seconds = added.get(path.relative_to(folder).as_posix()) or path.stat().st_mtime
            if seconds >= since.timestamp():
                found.append(path)
    return found


def _dates_added(folder: Path) -> dict[str, float]:
    """Name → when it was first committed, in seconds since 1970."""
    history = git(
        folder, "log", "--reverse", "--relative", "-M", "--diff-filter=AR", "--name-status", "-z", "--format=%x01%ct"
    )
    added: dict[str, float] = {}
    for commit in (history or "").split("\x01")[1:]:
        seconds, *fields = commit.replace("\n", "").split("\0")
        rest = iter(filter(None, fields))
        for status in rest:
            if status.startswith("R"):
                old, new = next(rest), next(rest)
                added[new] = added.get(old, float(seconds))
            else:
                added.setdefault(next(rest), float(seconds))
    return added
