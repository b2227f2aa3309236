"""The line above the editor: which file, which model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from localcoder.engine.api import ModelInfo
from localcoder.tui.status import model_label


class TitleBar(Horizontal):
    """Left: the buffer's name and whether it has unsaved changes. Right: the model, and what is special about it."""

    DEFAULT_CSS: ClassVar[str] = (Path(__file__).with_suffix(".tcss")).read_text(encoding="utf-8")

    def compose(self) -> ComposeResult:
        yield Static(id="file", markup=False)
        yield Static(id="model", markup=False)

    def show_files(self, names: Sequence[str], front: int) -> None:
        """All buffers' names; the one in front stands out, and stands first where there is no room for all."""
        text = Text(names[front], "bold")
        for index, name in enumerate(names):
            if index != front:
                text.append(f"  {name}", "dim")
        self.query_one("#file", Static).update(text)

    def show_model(self, info: ModelInfo | None, wanted: str | None, adapter: str = "") -> None:
        """`wanted` is shown until the model is loaded."""
        label = model_label(info, wanted) + (f" + {adapter}" if adapter else "")
        is_demo = info is not None and info.is_demo
        model = self.query_one("#model", Static)
        model.update(f"{label} · demonstration model, F2 gets a real one" if is_demo else label)
        model.set_class(is_demo, "-demo")
