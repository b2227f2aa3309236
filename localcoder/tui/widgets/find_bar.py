"""Find and replace, in one line below the text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from localcoder.tui.commands import bindings
from localcoder.tui.text.search import Query
from localcoder.tui.widgets.switch import Switch


class FindBar(Horizontal):
    """Says what to find; whoever has the text does the finding and calls `show_count`."""

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("up", "step(-1)", "Previous", show=False),
        Binding("down", "step(1)", "Next", show=False),
        *bindings("find"),
    ]

    @dataclass
    class Changed(Message):
        """Another text to look for."""

        query: Query

    @dataclass
    class Step(Message):
        """Go to the next (1) or the previous (-1) match."""

        by: int

    @dataclass
    class Replace(Message):
        """Replace the match at the cursor, or all."""

        replacement: str
        everywhere: bool

    class Closed(Message):
        """Back to the text."""

    def compose(self) -> ComposeResult:
        yield Static("Find", classes="label")
        yield Input(id="find", compact=True)
        yield Static("Replace with", classes="label replace")
        yield Input(id="replacement", classes="replace", compact=True)
        yield Static(id="count", markup=False)
        yield Switch("Regex")

    @property
    def query_wanted(self) -> Query:
        return Query(self.query_one("#find", Input).value, self.query_one(Switch).is_on)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, text: str = "", *, with_replace: bool = False) -> None:
        """Show the bar with `text` (or what was looked for last) to find."""
        self.add_class("-open")
        self.set_class(with_replace, "-replace")
        self.refresh_bindings()
        find = self.query_one("#find", Input)
        if text:
            find.value = text
        find.focus()
        find.select_all()
        self.post_message(self.Changed(self.query_wanted))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "replace_all" or self.has_class("-replace")

    def action_close(self) -> None:
        self.remove_class("-open")
        self.post_message(self.Closed())

    def action_step(self, by: int) -> None:
        self.post_message(self.Step(by))

    def action_toggle_regex(self) -> None:
        self.query_one(Switch).toggle()

    def action_replace_all(self) -> None:
        if self.has_class("-replace"):
            self.post_message(self.Replace(self.query_one("#replacement", Input).value, everywhere=True))

    def show_count(self, index: int | None, count: int, problem: str = "") -> None:
        """`index` counts from 0; None when the cursor is on no match."""
        found = f"{count:,} found" if index is None or not count else f"{index + 1:,} of {count:,}"
        shown = self.query_one("#count", Static)
        shown.update(problem or (found if self.query_wanted.text else ""))
        shown.set_class(bool(problem) or not count, "-none")

    @on(Input.Changed, "#find")
    @on(Switch.Changed)
    def _changed(self) -> None:
        self.post_message(self.Changed(self.query_wanted))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "find":
            self.post_message(self.Step(1))
        else:
            self.post_message(self.Replace(event.value, everywhere=False))

    def on_key(self, event: events.Key) -> None:
        # Tab goes back and forth between the two fields and nowhere else.
        if event.key in ("tab", "shift+tab") and self.has_class("-replace"):
            event.stop()
            event.prevent_default()
            other = "#find" if self.query_one("#replacement").has_focus else "#replacement"
            self.query_one(other).focus()
