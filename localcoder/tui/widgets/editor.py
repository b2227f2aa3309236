"""The editor: Textual's TextArea with exact text, multi-line ghost text, and rows drawn from a cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.document._document import EditResult, Location, Selection
from textual.document._document_navigator import DocumentNavigator
from textual.document._edit import Edit
from textual.expand_tabs import expand_text_tabs_from_widths
from textual.geometry import Offset, Size
from textual.message import Message
from textual.strip import Strip
from textual.widgets import TextArea

from localcoder.completion.document import Document
from localcoder.tui.commands import bindings
from localcoder.tui.text.display import DrawableWrapping, drawable
from localcoder.tui.text.ghost import Ghost, ghost_rows
from localcoder.tui.text.lines import LineDocument

_UNDO_STEPS = 10_000
_BRACKET_SEARCH_ROWS = 500


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


class Editor(TextArea):
    """Edits one text. Ghost text is shown at the cursor and is no part of the text until it is accepted."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"editor--ghost"}

    @dataclass
    class Edited(Message):
        """The text changed. `followed_ghost`: by typing what the ghost says, or by accepting some of it."""

        editor: Editor
        followed_ghost: bool

        @property
        def control(self) -> Editor:
            return self.editor

    @dataclass
    class GhostGone(Message):
        """The ghost was dismissed: by Escape, by a moved cursor, or by an edit that it did not foresee."""

        editor: Editor

        @property
        def control(self) -> Editor:
            return self.editor

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("editor"))

    document: LineDocument

    def __init__(self, text: str = "", *, path: Path | None = None, id: str | None = None) -> None:
        self._ghost: Ghost | None = None
        self._block: _Block | None = None
        self._following_ghost = False
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(4096)
        super().__init__(
            text,
            tab_behavior="indent",
            show_line_numbers=True,
            soft_wrap=True,
            max_checkpoints=_UNDO_STEPS,
            compact=True,
            id=id,
        )
        self.path = path
        self.cursor_blink = False

    # --- The text

    def _set_document(self, text: str, language: str | None) -> None:
        self._highlight_query = None
        self._ghost = None
        self._block = None
        self.document = LineDocument(text)
        self.wrapped_document = DrawableWrapping(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self.move_cursor((0, 0))
        self._rewrap_and_refresh_virtual_size()

    def snapshot(self) -> Document:
        """The text and the cursor as they are now."""
        return Document(self.document.text, self.document.index_of(self.cursor_location), self.path)

    def edit(self, edit: Edit) -> EditResult:
        edit.text = self.document.normalised(edit.text)
        # While the text changes under it, the ghost's location means nothing.
        before, self._ghost = self._ghost, None
        result = super().edit(edit)
        self._ghost = before
        after = None
        if before and edit.text and edit.top == edit.bottom == before.location:
            after = before.eaten(edit.text.replace(self.document.newline, "\n"), result.end_location)
        self._put_ghost(after)
        self.post_message(self.Edited(self, followed_ghost=after is not None or self._following_ghost))
        return result

    def undo(self) -> None:
        self.clear_ghost()
        super().undo()
        self.post_message(self.Edited(self, followed_ghost=False))

    def redo(self) -> None:
        self.clear_ghost()
        super().redo()
        self.post_message(self.Edited(self, followed_ghost=False))

    # --- The ghost

    @property
    def ghost(self) -> Ghost | None:
        return self._ghost

    def show_ghost(self, text: str, *, is_growing: bool = False) -> None:
        """Suggest `text` at the cursor."""
        self._put_ghost(Ghost(text.replace("\r\n", "\n"), self.cursor_location, is_growing))

    def grow_ghost(self, more: str) -> None:
        """Append to the ghost, wherever typing has moved it."""
        if self._ghost:
            self._put_ghost(self._ghost.grown(more.replace("\r\n", "\n")))

    def finish_ghost(self) -> None:
        """No more will come; a ghost that was typed away ends."""
        if self._ghost:
            text = self._ghost.text
            self._put_ghost(Ghost(text, self._ghost.location) if text else None)

    def clear_ghost(self) -> None:
        if self._ghost:
            self._put_ghost(None)
            self.post_message(self.GhostGone(self))

    def action_accept_ghost(self) -> None:
        """Take the whole ghost into the text, as one step of undo."""
        if self._ghost:
            self._accept(self._ghost.text)

    def action_dismiss_ghost(self) -> None:
        self.clear_ghost()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("accept_ghost", "dismiss_ghost"):
            return self._ghost is not None and bool(self._ghost.text)
        return super().check_action(action, parameters)

    def _accept(self, text: str) -> None:
        self.history.checkpoint()
        self._following_ghost = True
        try:
            result = self.edit(Edit(text, self.cursor_location, self.cursor_location, False))
        finally:
            self._following_ghost = False
        self.move_cursor(result.end_location)

    def _put_ghost(self, ghost: Ghost | None) -> None:
        if ghost == self._ghost:
            return
        had_text = bool(self._ghost and self._ghost.text)
        self._ghost = ghost
        self._block = None
        self._refresh_size()
        self._reveal_ghost()
        self.refresh()
        if had_text != bool(ghost and ghost.text):
            self.refresh_bindings()

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

    def _watch_selection(self, previous_selection: object, selection: object) -> None:
        super()._watch_selection(previous_selection, selection)  # type: ignore[arg-type]
        if self._ghost and self.selection != Selection.cursor(self._ghost.location):
            self.clear_ghost()

    def _ghost_block(self) -> _Block | None:
        ghost = self._ghost
        if ghost is None or not ghost.text:
            return None
        cursor_style = self._theme.cursor_style if self._draw_cursor else None
        if self._block is None or self._block.cursor_style != cursor_style:
            row, column = ghost.location
            before, _ = self._styled_line(row, has_cursor=False).divide([column])
            _, after = self._styled_line(row, has_cursor=False, is_current=False).divide([column])
            style = self.get_component_rich_style("editor--ghost")
            offsets = self.wrapped_document.get_offsets(row)
            rows = ghost_rows(
                before,
                [Text.assemble((drawable(line), style), end="") for line in ghost.text.split("\n")],
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

    # --- Drawing

    def _refresh_size(self) -> None:
        super()._refresh_size()
        if block := self._ghost_block() if self.is_mounted else None:
            width, height = self.virtual_size
            if not self.soft_wrap:
                width = max(width, self.gutter_width + 1 + max(row.cell_len for row in block.rows))
            self.virtual_size = Size(width, height + block.extra)
            self._refresh_scrollbars()

    def notify_style_update(self) -> None:
        self._strips.clear()
        self._block = None
        super().notify_style_update()

    def _rewrap_and_refresh_virtual_size(self) -> None:
        self._strips.clear()
        self._block = None
        super()._rewrap_and_refresh_virtual_size()

    def _build_highlight_map(self) -> None:
        """Rows are cached by what they show, so an edit makes none of them stale."""

    def render_line(self, y: int) -> Strip:
        if self.placeholder and not self._ghost and self.document.line_count == 1 and not self.document[0]:
            return super().render_line(y)
        row = y + self.scroll_offset.y
        block = self._ghost_block()
        if block and row >= block.top:
            inside = row - block.top
            if inside < len(block.rows):
                return self._finish_row(
                    block.rows[inside],
                    number=block.line_index if inside == 0 else None,
                    is_current=inside < block.own_rows,
                )
            row -= block.extra
        if row >= self.wrapped_document.height:
            return Strip.blank(self.size.width, self._theme.base_style)
        line_index, section = self.wrapped_document._offset_to_line_info[row]
        key = self._row_key(line_index, section)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._document_row(line_index, section)
        return strip

    def _row_key(self, line_index: int, section: int) -> tuple[object, ...]:
        """Everything that a row's look depends on."""
        selection = self.selection
        is_current = selection.end[0] == line_index
        bracket = self._matching_bracket_location
        return (
            self.document[line_index],
            section,
            line_index,
            selection if not selection.is_empty and selection.contains_line(line_index) else None,
            selection.end[1] if is_current else None,
            is_current and self._draw_cursor,
            bracket if bracket and (is_current or bracket[0] == line_index) else None,
            self.gutter_width,
            self.scroll_offset.x,
            self.size.width,
        )

    def _document_row(self, line_index: int, section: int) -> Strip:
        line = self._styled_line(line_index, has_cursor=True)
        tab_widths = self.wrapped_document.get_tab_widths(line_index)
        offsets = self.wrapped_document.get_offsets(line_index)
        tab_widths = [width for width in tab_widths if width]
        if offsets:
            sections = line.divide(offsets)
            passed = sum(part.plain.count("\t") for part in sections[:section])
            line = sections[section]
            tab_widths = tab_widths[passed : passed + line.plain.count("\t")]
        is_current = self.selection.end[0] == line_index
        return self._finish_row(
            expand_text_tabs_from_widths(line, tab_widths),
            number=line_index if section == 0 else None,
            is_current=is_current,
        )

    def _styled_line(self, index: int, *, has_cursor: bool, is_current: bool = True) -> Text:
        """A line of the document with its colours, one cell longer for a cursor at its end."""
        theme = self._theme
        plain = drawable(self.document[index])
        line = Text(plain + " ", end="", no_wrap=True)
        selection = self.selection
        row, column = selection.end
        if row == index and is_current and theme.cursor_line_style:
            line.stylize(theme.cursor_line_style)
        if not selection.is_empty and theme.selection_style:
            top, bottom = sorted(selection)
            if top[0] <= index <= bottom[0]:
                start = top[1] if index == top[0] else 0
                # The space at the end shows that the newline is selected too.
                end = bottom[1] if index == bottom[0] else len(plain) + 1
                line.stylize(theme.selection_style, start, end)
        match = self._matching_bracket_location
        if match and selection.is_empty and theme.bracket_matching_style:
            if row == index:
                line.stylize(theme.bracket_matching_style, column, column + 1)
            if match[0] == index:
                line.stylize(theme.bracket_matching_style, match[1], match[1] + 1)
        if has_cursor and row == index and self._draw_cursor and theme.cursor_style:
            line.stylize(theme.cursor_style, column, column + 1)
        return line

    def _finish_row(self, line: Text, *, number: int | None, is_current: bool) -> Strip:
        """Crop to what is scrolled into view, add the gutter, fill up to the widget's width."""
        theme = self._theme
        base = theme.base_style or Style()
        gutter_width = self.gutter_width
        width = self.scrollable_content_region.size.width - gutter_width
        strip = Strip(line.render(self.app.console), line.cell_len)
        if not self.soft_wrap:
            strip = strip.crop(self.scroll_offset.x, self.scroll_offset.x + width)
        elif strip.cell_length > width:
            strip = strip.crop(0, width)
        strip = strip.extend_cell_length(width, theme.cursor_line_style if is_current else base)
        if gutter_width:
            label = "" if number is None else str(number + self.line_number_start)
            style = theme.cursor_line_gutter_style if is_current else theme.gutter_style
            gutter = Strip([Segment(f"{label:>{gutter_width - 2}}  ", style)], gutter_width)
            strip = Strip.join([gutter, strip])
        return strip.apply_style(base)

    # --- Where things are

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

    def _yield_character_locations(self, start: Location) -> Iterable[tuple[str, Location]]:
        # Textual looks through the whole text, at each move of the cursor, for a bracket that may have no partner.
        last = start[0] + _BRACKET_SEARCH_ROWS
        return takewhile(lambda item: item[1][0] <= last, super()._yield_character_locations(start))

    def _yield_character_locations_reverse(self, start: Location) -> Iterable[tuple[str, Location]]:
        first = start[0] - _BRACKET_SEARCH_ROWS
        return takewhile(lambda item: item[1][0] >= first, super()._yield_character_locations_reverse(start))
