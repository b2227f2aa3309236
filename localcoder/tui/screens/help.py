"""What can be done: for the place that has the focus first, then everything, with the keys as they are set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from localcoder.tui.commands import COMMANDS, Command, keys_of
from localcoder.tui.widgets.editor import Editor

_TITLES = {
    "ghost": "Suggestions at the cursor", "completion": "Asking the model", "edit": "Editing", "find": "Finding",
    "go": "Going places", "view": "Looking", "file": "Files", "models": "Models", "app": "The app",
}  # fmt: skip


class HelpScreen(ModalScreen[None]):
    """`focused` is the widget that had the focus when help was asked for; `keymap` are the keys that a user has set."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q", "dismiss(None)", "Close")]

    def __init__(self, focused: Widget | None, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._here = focused
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static("Help", id="title")
            with VerticalScroll():
                if self._here is not None and not isinstance(self._here, Editor):
                    yield Static("Here", classes="heading")
                    yield Static(_table(self._here_rows(self._here)))
                for group, title in _TITLES.items():
                    yield Static(title, classes="heading")
                    commands = [command for command in COMMANDS if command.id.partition(".")[0] == group]
                    yield Static(_table(self._rows(command) for command in commands))
                yield Static(
                    "Ctrl+P finds a command by its name. Keys can be changed: see Settings.", classes="heading"
                )
            yield Footer(compact=True, show_command_palette=False)

    def _rows(self, command: Command) -> tuple[str, str, str]:
        return keys_of(command, self._keymap), command.label.rstrip("…"), f"{command.help}\n{command.id}"

    def _here_rows(self, widget: Widget) -> Iterator[tuple[str, str, str]]:
        for ancestor in widget.ancestors_with_self:
            if isinstance(ancestor, Widget) and not isinstance(ancestor, Screen):
                for binding in ancestor._bindings:
                    if isinstance(binding, Binding) and binding.description and not binding.system:
                        yield self.app.get_key_display(binding), binding.description, binding.tooltip
            else:
                return


def _table(rows: Iterable[tuple[str, str, str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(width=12, style="bold")
    table.add_column(width=28)
    table.add_column(ratio=1)
    for keys, label, text in rows:
        first, _, id = text.partition("\n")
        table.add_row(keys, Text.assemble(label, ("\n" + id if id else "", "dim")), first)
    return table
