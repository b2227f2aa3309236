"""The line below the editor: what the engine does, and where the cursor is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from localcoder.tui.status import Status, describe


class StatusLine(Horizontal):
    """Left: the engine. Right: the place in the text."""

    DEFAULT_CSS: ClassVar[str] = (Path(__file__).with_suffix(".tcss")).read_text(encoding="utf-8")

    def compose(self) -> ComposeResult:
        yield Static(id="activity", markup=False)
        yield Static(id="place", markup=False)

    def show(self, status: Status) -> None:
        activity = self.query_one("#activity", Static)
        activity.update(describe(status))
        activity.set_class(status.phase == "failed", "-failed")

    def show_place(self, line: int, column: int, details: str) -> None:
        """`line` and `column` count from 1."""
        self.query_one("#place", Static).update(f"{details}  Ln {line}, Col {column}".strip())
