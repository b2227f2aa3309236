"""A file of the project by some letters of its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.widgets import Input

from localcoder.code.walk import files_below
from localcoder.tui.dialogs.quick_pick import QuickPick
from localcoder.tui.text.ranking import Ranked

_PLACE = re.compile(r":(\d+)(?::(\d+))?:?$")
_COMMANDS = ">"


class QuickOpen(QuickPick):
    """`first` are the files of `root` that come first where nothing is typed yet, as names below it."""

    CSS_PATH: ClassVar = str(Path(__file__).with_name("quick_pick.tcss"))

    def __init__(self, root: Path, first: Iterable[str]) -> None:
        first = list(first)
        super().__init__(
            f"File of {root.name or root}, file:line, or > for commands",
            "files",
            Ranked(first),
            more=_others(root, first),
        )

    def wanted(self, typed: str) -> str:
        return _PLACE.sub("", typed)

    @property
    def place(self) -> tuple[int, int] | None:
        """Row and column, from 0, that stand behind the name, as in a compiler's message."""
        match = _PLACE.search(self.typed)
        return (max(int(match[1]) - 1, 0), max(int(match[2] or 1) - 1, 0)) if match else None

    @on(Input.Changed)
    def _commands(self, event: Input.Changed) -> None:
        if event.value == _COMMANDS:
            self.dismiss(None)
            self.app.action_command_palette()


def _others(root: Path, first: Iterable[str]) -> Iterator[str]:
    known = set(first)
    return (name for name in files_below(root) if name not in known)
