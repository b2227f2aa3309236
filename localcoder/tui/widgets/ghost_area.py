"""A code area with ghost text: suggested, shown at the cursor, and no part of the text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.document._document import Location
from textual.geometry import Offset, Size
from textual.strip import Strip

from localcoder.tui.text.display import drawable
from localcoder.tui.text.ghost import Ghost, ghost_rows
from localcoder.tui.widgets.code_area import CodeArea


@dataclass(frozen=True)
class _Block:
    """The rows that stand in for the cursor's line while a ghost is shown."""

    top: int
    rows: tuple[Text, ...]
    replaced: int
    line_index: int
    own_rows: int
    """How many of `rows`, from the top, show the user's own text before the cursor."""
    cursor_style: Style | None

    @property
    def extra(self) -> int:
        return len(self.rows) - self.replaced


class GhostArea(CodeArea):
    """Draws the ghost in the middle of the cursor's line and moves the rows below out of its way."""

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"editor--ghost", "ghost--doubtful", "ghost--unlikely", "ghost--finding"}

    _ghost: Ghost | None = None
    _block: _Block | None = None

    @property
    def ghost(self) -> Ghost | None:
        return self._ghost

    def put_ghost(self, ghost: Ghost | None) -> None:
        """Show this ghost instead of the one that is shown."""
        before, fate = self._ghost, ghost.fate if ghost else None
        self._ghost = ghost
        if before is not None and before.fate is not None and before.fate is not fate:
            before.fate.ended()
        if ghost == before:
            return
        had_text = bool(before and before.text)
        self._block = None
        self._refresh_size()
        self._reveal_ghost()
        self.refresh()
        if had_text != bool(ghost and ghost.text):
            self.refresh_bindings()

    def _set_document(self, text: str, language: str | None) -> None:
        self._ghost = None
        self._block = None
        super()._set_document(text, language)

    def notify_style_update(self) -> None:
        self._block = None
        super().notify_style_update()

    def _rewrap_and_refresh_virtual_size(self) -> None:
        self._block = None
        super()._rewrap_and_refresh_virtual_size()

    def _text_size(self) -> Size:
        width, height = super()._text_size()
        block = self._ghost_block() if self.is_mounted else None
        if block is None:
            return Size(width, height)
        if not self.soft_wrap:
            width = max(width, self.gutter_width + 1 + max(row.cell_len for row in block.rows))
        return Size(width, height + block.extra)

    def render_line(self, y: int) -> Strip:
        block = self._ghost_block()
        if block is None:
            return super().render_line(y)
        row = y + self.scroll_offset.y
        inside = row - block.top
        if inside < 0:
            return self._row(row)
        if inside >= len(block.rows):
            return self._row(row - block.extra)
        return self._finish_row(
            block.rows[inside],
            number=block.line_index if inside == 0 else None,
            is_current=inside < block.own_rows,
        )

    def get_target_document_location(self, event: events.MouseEvent) -> Location:
        """The place in the text under the mouse; anywhere on the ghost is the cursor's own place."""
        row = event.y + self.scroll_offset.y - self.gutter.top
        block = self._ghost_block()
        if block is None or row < block.top + block.own_rows - 1:
            return super().get_target_document_location(event)
        if row < block.top + len(block.rows):
            return self.cursor_location
        column = event.x - self.gutter_width + self.scroll_offset.x - self.gutter.left
        return self.wrapped_document.offset_to_location(Offset(column, row - block.extra))

    def _ghost_block(self) -> _Block | None:
        ghost = self._ghost
        if ghost is None or not ghost.text:
            return None
        cursor_style = self._theme.cursor_style if self._draw_cursor else None
        if self._block is None or self._block.cursor_style != cursor_style:
            row, column = ghost.location
            before, _ = self._styled_line(row, has_cursor=False).divide([column])
            _, after = self._styled_line(row, has_cursor=False, is_current=False).divide([column])
            offsets = self.wrapped_document.get_offsets(row)
            rows = ghost_rows(
                before,
                self._ghost_lines(ghost),
                after,
                wrap_offsets=offsets,
                width=self.wrap_width,
                tab_width=self.indent_width,
                cursor_style=cursor_style,
            )
            own = sum(offset <= column for offset in offsets) + 1
            top = self.wrapped_document._line_index_to_offsets[row][0]
            self._block = _Block(top, tuple(rows), len(offsets) + 1, row, own, cursor_style)
        return self._block

    def _ghost_lines(self, ghost: Ghost) -> list[Text]:
        lines = []
        offset = 0
        style = self._component("ghost--doubtful" if ghost.is_unsure else "editor--ghost")
        for line in ghost.text.split("\n"):
            text = Text.assemble((drawable(line), style), end="")
            for start, end, name in ghost.spans:
                if start < offset + len(line) and end > offset:
                    text.stylize(self._component(name), max(start - offset, 0), end - offset)
            lines.append(text)
            offset += len(line) + 1
        return lines

    def _reveal_ghost(self) -> None:
        """Scroll a ghost that starts near the lower edge into view, as far as half of the height."""
        block = self._ghost_block()
        height = self.scrollable_content_region.height
        if block is None or not height:
            return
        first = block.top + block.own_rows - 1
        last = min(block.top + len(block.rows), first + max(height // 2, 1))
        if last > self.scroll_offset.y + height:
            self.scroll_to(y=last - height, animate=False, force=True, immediate=True)
