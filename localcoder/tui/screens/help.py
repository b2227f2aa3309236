"""What can be done: for the place that has the focus first, then everything, with the keys as they are set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from localcoder.tui.commands import COMMANDS, COMMANDS_BY_ID, Command, keys_of
from localcoder.tui.widgets.editor import Editor

_TITLES = {
    "ghost": "Suggestions at the cursor", "completion": "Asking the model", "edit": "Editing", "find": "Finding",
    "go": "Going places", "view": "Looking", "file": "Files", "models": "Models", "app": "The app",
}  # fmt: skip

_FIRST = ("ghost.accept", "completion.ask", "ghost.dismiss", "edit.copy", "models.open")
"""What everything else is for."""

Row = tuple[str, str, str]
"""Keys, what they do in two words, and in a sentence."""


class HelpScreen(ModalScreen[None]):
    """`focused` is the widget that had the focus when help was asked for; `keymap` are the keys that a user has set."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1", "dismiss(None)", "Close"),
        Binding("up", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll(1)", "Down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", show=False),
        Binding("pagedown", "scroll(10)", "Page down", show=False),
    ]

    def __init__(self, focused: Widget | None, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._here = focused
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            with Horizontal(id="top"):
                yield Static("Help", id="title")
                yield Input(placeholder="What do you want to do?", compact=True)
            with VerticalScroll(can_focus=False):
                yield Static(id="commands")
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._show("")

    def action_scroll(self, rows: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._show(event.value)

    def _show(self, wanted: str) -> None:
        """The commands that have all the words that are `wanted`."""
        words = wanted.lower().split()
        sections: list[Text | Table] = []
        for title, rows in self._sections():
            found = [row for row in rows if all(word in " ".join((title, *row)).lower() for word in words)]
            if found:
                sections += [Text(f"\n{title}" if sections else title, "bold"), _table(found)]
        palette = keys_of(COMMANDS_BY_ID["app.palette"], self._keymap)
        nothing = Text(f"Nothing here is called that. {palette} finds commands too.")
        end = Text(f"\n{palette} runs a command by its name. Keys can be changed: see Settings.", "dim")
        self.query_one("#commands", Static).update(Group(*sections, end) if sections else nothing)

    def _sections(self) -> Iterator[tuple[str, list[Row]]]:
        if self._here is not None and not isinstance(self._here, Editor):
            yield "Here", list(self._here_rows(self._here))
        yield "First of all", [self._row(COMMANDS_BY_ID[id]) for id in _FIRST]
        for group, title in _TITLES.items():
            commands = [command for command in COMMANDS if command.id.partition(".")[0] == group]
            yield title, [self._row(command) for command in commands]

    def _row(self, command: Command) -> Row:
        return keys_of(command, self._keymap), command.label.rstrip("…"), command.help

    def _here_rows(self, widget: Widget) -> Iterator[Row]:
        for ancestor in widget.ancestors_with_self:
            if isinstance(ancestor, Widget) and not isinstance(ancestor, Screen):
                for _, binding in ancestor._bindings:
                    if binding.description and not binding.system:
                        yield self.app.get_key_display(binding), binding.description, binding.tooltip
            else:
                return


def _table(rows: Iterable[Row]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(width=12, style="bold")
    table.add_column(width=28)
    table.add_column(ratio=1)
    for keys, label, text in rows:
        table.add_row(keys, label, text)
    return table
