"""A buffer and another state of its file, line by line, where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, RichLog, Static

from localcoder.tui.widgets.disk_bar import Answer


class ChangesScreen(ModalScreen[Answer | None]):
    """Shows `lines`, and above them what their marks mean."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Close")]

    def __init__(self, title: str, lines: Sequence[Text]) -> None:
        super().__init__()
        self._title_shown = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static(self._title_shown, id="title", markup=False)
            yield RichLog(auto_scroll=False)
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        log = self.query_one(RichLog)
        for line in self._lines:
            log.write(line)
        log.focus()


class DifferenceScreen(ChangesScreen):
    """Gives what the user decides to do about another program's text, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "dismiss('load')", "Load theirs"),
        Binding("k", "dismiss('keep')", "Keep mine"),
    ]

    def __init__(self, name: str, lines: Sequence[Text]) -> None:
        super().__init__(f"{name}: - mine, + the other program's", lines)
