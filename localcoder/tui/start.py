"""What the app opens when it starts: a file, what was open last time, and what a crash left unsaved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.tui import session
from localcoder.tui.files import TextFile, read_text_file
from localcoder.tui.session import SavedBuffer


@dataclass(frozen=True)
class Opened:
    """One buffer to begin with. `content` is what the file holds, `unsaved` the text that is not in it yet."""

    content: TextFile
    path: Path | None = None
    unsaved: str | None = None
    row: int = 0
    column: int = 0


@dataclass(frozen=True)
class Start:
    """`notice` is something to tell the user, or empty."""

    buffers: tuple[Opened, ...]
    active: int = 0
    model: str | None = None
    notice: str = ""


def begin(file: Path | None, *, restore: bool) -> Start:
    """Decide what is opened. Raises LocalcoderError (exit code 2) when `file` is no text.

    A file that is named comes alone and in front; without one, the last session comes back. Unsaved buffers of an app
    that was killed come back in any case.
    """
    named = Opened(read_text_file(file), file) if file is not None else None
    if file is not None:
        session.remember_file(file)
    lost = session.take_lost()
    last = session.last() if restore and named is None and not lost else None
    buffers = [named] if named else []
    active = 0
    if last is not None:
        found = [(index, opened) for index, saved in enumerate(last.buffers) if (opened := _opened(saved))]
        buffers = [opened for _, opened in found]
        active = next((i for i, (index, _) in enumerate(found) if index == last.active), 0)
    for saved in lost:
        opened = _opened(saved) or Opened(TextFile(""), None, saved.text, saved.row, saved.column)
        same = [i for i, other in enumerate(buffers) if other.path and _same(other.path, opened.path)]
        if same:
            buffers[same[0]] = opened
        else:
            buffers.append(opened)
    return Start(tuple(buffers), active, last.model if last else None, _notice(lost))


def _opened(saved: SavedBuffer) -> Opened | None:
    """The buffer as it was; None when its file is gone and nothing of it was unsaved, or it is no text any more."""
    if saved.path is None:
        return Opened(TextFile("", saved.has_bom), None, saved.text, saved.row, saved.column)
    path = Path(saved.path)
    if saved.text is None and not path.is_file():
        return None
    try:
        return Opened(read_text_file(path), path, saved.text, saved.row, saved.column)
    except LocalcoderError:
        return None


def _same(one: Path, other: Path | None) -> bool:
    return other is not None and one.absolute() == other.absolute()


def _notice(lost: Sequence[SavedBuffer]) -> str:
    if not lost:
        return ""
    what = "1 unsaved buffer is" if len(lost) == 1 else f"{len(lost)} unsaved buffers are"
    return f"{what} back from an app that did not end in order."
