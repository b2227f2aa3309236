"""A switch in a line of fields: its name, its key, and whether it is on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.message import Message
from textual.widgets import Static


class Switch(Static):
    """Is turned by a click, or by whoever has it, whose `key` is shown; takes no focus."""

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    @dataclass
    class Changed(Message):
        """Somebody turned it."""

        switch: Switch

        @property
        def control(self) -> Switch:
            return self.switch

    def __init__(self, label: str, key: str = "", *, is_on: bool = False, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self._label = label
        self._key = key
        self.is_on = is_on

    def on_mount(self) -> None:
        self._draw()

    def toggle(self) -> None:
        self.is_on = not self.is_on
        self._draw()
        self.post_message(self.Changed(self))

    def on_click(self) -> None:
        self.toggle()

    def _draw(self) -> None:
        self.set_class(self.is_on, "-on")
        # By a mark too: not every terminal has colours.
        self.update(f"{'[x]' if self.is_on else '[ ]'} {self._label} {self._key}".rstrip())
