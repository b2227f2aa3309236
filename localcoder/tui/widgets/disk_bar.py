"""Asks, in one line below the text, what to do about a file that another program wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Button, Static

Answer = Literal["difference", "load", "keep"]
_LABELS: dict[Answer, str] = {"difference": "Difference", "load": "Load theirs", "keep": "Keep mine"}


class DiskBar(Horizontal):
    """Takes no key before it is asked to (`answer_now`) or clicked: who is typing goes on typing."""

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back to the text"),
        Binding("left,shift+tab", "move(-1)", "Previous", show=False),
        Binding("right,tab", "move(1)", "Next", show=False),
    ]

    @dataclass
    class Answered(Message):
        """What the user decided; the bar stays until whoever asked closes it."""

        answer: Answer

    class Left(Message):
        """Back to the text, without an answer."""

    def __init__(self, key: str) -> None:
        """`key` is what brings the focus here, as people write it."""
        super().__init__()
        self._key = key

    def compose(self) -> ComposeResult:
        yield Static(id="what", markup=False)
        yield Static(self._key, id="key", markup=False)
        for answer in get_args(Answer):
            yield Button(_LABELS[answer], id=answer, compact=True)

    def ask(self, what: str, *, is_saving: bool, has_text: bool) -> None:
        """Show the question. `has_text`: the file holds a text that can be looked at and loaded."""
        self.query_one("#what", Static).update(f"{'Not saved: ' if is_saving else ''}{what}")
        self.query_one("#keep", Button).label = "Save mine" if is_saving else _LABELS["keep"]
        self.set_class(not has_text, "-no-text")
        self.add_class("-open")

    def close(self) -> None:
        if any(button.has_focus for button in self._buttons()):
            self.action_leave()
        self.remove_class("-open")

    def answer_now(self) -> None:
        """Take the focus, if there is a question."""
        if self.has_class("-open"):
            # At once: a key that follows in the same breath is the answer.
            self.screen.set_focus(self._buttons()[0])

    def action_move(self, by: int) -> None:
        buttons = self._buttons()
        here = next((index for index, button in enumerate(buttons) if button.has_focus), 0)
        self.screen.set_focus(buttons[(here + by) % len(buttons)])

    def action_leave(self) -> None:
        self.post_message(self.Left())

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        for answer in get_args(Answer):
            if event.button.id == answer:
                self.post_message(self.Answered(answer))

    def _buttons(self) -> list[Button]:
        return [button for button in self.query(Button) if button.display]
