"""What the app opens when it starts: a file, what was open last time, and what a crash left unsaved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.paths import assets_dir
from localcoder.tui import session
from localcoder.tui.files import TextFile, new_file, read_text_file, require_place
from localcoder.tui.session import SavedBuffer

_PLACE = "‸"
"""Stands in the sample where a suggestion is wanted."""


@dataclass(frozen=True)
class Opened:
    """One buffer to begin with. `content` is what the file holds, `unsaved` the text that is not in it yet.

    `is_changed`: another program wrote the file after `unsaved` was begun.
    """

    content: TextFile
    path: Path | None = None
    unsaved: str | None = None
    row: int = 0
    column: int = 0
    is_changed: bool = False


@dataclass(frozen=True)
class Start:
    """`notice` is something to tell the user, or empty."""

    buffers: tuple[Opened, ...]
    active: int = 0
    model: str | None = None
    notice: str = ""
    folder: Path | None = None
    """A project that was named instead of a file."""
    tour: tuple[str, ...] = ()
    """Nobody used the app here before: it shows what it does, at the places that have these texts behind them."""


def begin(file: Path | None, *, restore: bool, piped: str = "") -> Start:
    """Decide what is opened. Raises LocalcoderError (exit code 2) when `file` is no text, and cannot be made.

    A file that is named comes alone and in front, and so does a text that was `piped` in, and of a folder the tree;
    without them, the last session comes back. Unsaved buffers of an app that was killed come back in any case.
    """
    notice = ""
    folder = file if file is not None and file.is_dir() else None
    named: Opened | None = None
    if file is not None and folder is None:
        content = read_text_file(file)
        named = Opened(content, file)
        if content.stamp is None:
            require_place(file)
            notice = new_file(file)
        session.remember_file(file)
    elif piped:
        named = Opened(TextFile(""), unsaved=piped)
    elif folder is None and session.is_first_start():
        return _first()
    lost = session.take_lost()
    last = session.last() if restore and named is None and folder is None and not lost else None
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
    notice = " ".join(filter(None, (notice, _notice(lost))))
    return Start(tuple(buffers), active, last.model if last else None, notice, folder)


def _first() -> Start:
    """The sample, as a buffer without a file, with a place for each thing that can be done with a suggestion."""
    sample = assets_dir() / "samples" / "first_minute.py"
    if not sample.is_file():
        return Start(())
    marked = read_text_file(sample)
    pieces = marked.text.split(_PLACE)
    places = tuple("".join(pieces[number:]) for number in range(1, len(pieces)))
    return Start((Opened(replace(marked, text="".join(pieces))),), tour=places)


def _opened(saved: SavedBuffer) -> Opened | None:
    """The buffer as it was; None when its file is gone and nothing of it was unsaved, or it is no text any more."""
    if saved.path is None:
        return Opened(TextFile("", saved.has_bom), None, saved.text, saved.row, saved.column)
    path = Path(saved.path)
    if saved.text is None and not path.is_file():
        return None
    try:
        content = read_text_file(path)
    except LocalcoderError:
        return None
    is_changed = saved.text is not None and saved.stamp is not None and content.stamp not in (None, saved.stamp)
    return Opened(content, path, saved.text, saved.row, saved.column, is_changed)


def _same(one: Path, other: Path | None) -> bool:
    return other is not None and one.absolute() == other.absolute()


def _notice(lost: Sequence[SavedBuffer]) -> str:
    if not lost:
        return ""
    what = "1 unsaved buffer is" if len(lost) == 1 else f"{len(lost)} unsaved buffers are"
    return f"{what} back from an app that did not end in order."
