"""The line above the editor: which file, which model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from localcoder.engine.api import ModelInfo
from localcoder.tui.status import model_label

_FRONT, _OTHERS = Style(bold=True), Style(dim=True)
_GAP, _MORE = 2, 3
"""Cells between two names, and of the mark that there are more to the left."""


def first_shown(widths: Sequence[int], front: int, room: int) -> int:
    """The first of some names, so many cells wide, to be shown, so that there is room for the one in front."""
    first = front
    used = widths[front] + _MORE
    while first and used + widths[first - 1] + _GAP <= room + (_MORE if first == 1 else 0):
        first -= 1
        used += widths[first] + _GAP
    return first


class TitleBar(Horizontal):
    """Left: the buffer's name and whether it has unsaved changes. Right: the model, and what is special about it."""

    DEFAULT_CSS: ClassVar[str] = (Path(__file__).with_suffix(".tcss")).read_text(encoding="utf-8")

    _names: Sequence[str] = ()
    _front = 0

    def compose(self) -> ComposeResult:
        yield Static(id="file", markup=False)
        yield Static(id="model", markup=False)

    def show_files(self, names: Sequence[str], front: int) -> None:
        """All buffers' names, in their order; the one in front stands out, and a click brings another there."""
        self._names, self._front = names, front
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self._names:
            return
        file = self.query_one("#file", Static)
        first = first_shown([cell_len(name) for name in self._names], self._front, file.content_size.width)
        parts: list[tuple[str, Style]] = [("…  ", _OTHERS)] if first else []
        for index, name in enumerate(self._names[first:], first):
            look = _FRONT if index == self._front else _OTHERS
            parts += [(name, look + Style.from_meta({"@click": f"screen.show_buffer({index})"})), ("  ", _OTHERS)]
        file.update(Content.assemble(*parts))

    def show_model(self, info: ModelInfo | None, wanted: str | None, adapter: str = "") -> None:
        """`wanted` is shown until the model is loaded."""
        label = model_label(info, wanted) + (f" + {adapter}" if adapter else "")
        is_demo = info is not None and info.is_demo
        model = self.query_one("#model", Static)
        model.update(f"{label} · demonstration model, F2 gets a real one" if is_demo else label)
        model.set_class(is_demo, "-demo")
