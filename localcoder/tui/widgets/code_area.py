"""A TextArea whose text is exact, whose colours cost what is visible, and whose rows are drawn once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.cache import LRUCache
from textual.document._document import Location, Selection
from textual.document._document_navigator import DocumentNavigator
from textual.expand_tabs import expand_text_tabs_from_widths
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widgets import TextArea

from localcoder.code.languages import PLAIN, Language
from localcoder.tui.text.display import DrawableWrapping, drawable
from localcoder.tui.text.highlighter import Highlighter, Span
from localcoder.tui.text.lines import LineDocument
from localcoder.tui.text.search import Match
from localcoder.tui.text.words import word_at

_UNDO_STEPS = 10_000
"""Chosen: a day's typing; Textual's default is 50."""
_BRACKET_SEARCH_ROWS = 500
_BRACKET_SEARCH_CHARACTERS = 20_000
"""Chosen: a partner that is further away is on no screen together with its bracket."""
_CACHED_ROWS = 4096
"""Drawn rows that are kept. Chosen: dozens of screens."""
_SYNTAX = (
    "attribute", "constant", "string", "comment", "type", "number", "function", "keyword", "property", "tag",
    "heading", "link", "operator",
)  # fmt: skip


class CodeArea(TextArea):
    """Shows and edits one text."""

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"syntax--{kind}" for kind in _SYNTAX), "code--match"}

    document: LineDocument

    def __init__(self, text: str = "", *, language_known: Language = PLAIN, id: str | None = None) -> None:
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(_CACHED_ROWS)
        self._wrapped_as: tuple[int, int, int] | None = None
        self._highlighter: Highlighter | None = None
        self._syntax_styles: dict[str, Style] = {}
        self._spans: dict[int, tuple[Span, ...]] = {}
        self._matches: dict[int, tuple[tuple[int, int], ...]] = {}
        self.known_language = language_known
        super().__init__(
            text,
            tab_behavior="indent",
            show_line_numbers=True,
            soft_wrap=True,
            max_checkpoints=_UNDO_STEPS,
            compact=True,
            id=id,
        )
        self.cursor_blink = False

    # --- The text

    def _set_document(self, text: str, language: str | None) -> None:
        self._highlight_query = None
        self.document = LineDocument(text)
        self.document.on_replaced = self._replaced
        self.wrapped_document = DrawableWrapping(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self._highlighter = None
        self.move_cursor((0, 0))
        self._rewrap_and_refresh_virtual_size()
        if self.is_mounted:
            self._start_highlighting()

    def on_mount(self) -> None:
        # A grammar takes up to 0.15 s to load: after the first frame.
        self.call_after_refresh(self._start_highlighting)

    def set_language(self, language: Language) -> None:
        """Colour and comment as that language does."""
        self.known_language = language
        self._start_highlighting()

    def _start_highlighting(self) -> None:
        self._highlighter = Highlighter(self.known_language, self.document.lines)
        self.refresh()

    def _replaced(self, row: int, column: int, before: Sequence[str], after: Sequence[str]) -> None:
        if self._highlighter:
            self._highlighter.edited(row, column, before, after)

    def show_matches(self, matches: Iterable[Match]) -> None:
        """Mark what a search found."""
        rows: dict[int, list[tuple[int, int]]] = {}
        for row, start, end in matches:
            rows.setdefault(row, []).append((start, end))
        self._matches = {row: tuple(spans) for row, spans in rows.items()}
        self.refresh()

    # --- Drawing

    def notify_style_update(self) -> None:
        self._strips.clear()
        self._syntax_styles.clear()
        super().notify_style_update()

    def _watch_language(self, language: str | None) -> None:
        """Textual's own highlighting is not used; its watcher would load the text once more."""

    def _rewrap_and_refresh_virtual_size(self) -> None:
        # Textual asks for this several times while it starts, and one wrapping of 1 MB takes 0.15 s.
        wrapped_as = (id(self.wrapped_document), self.wrap_width, self.indent_width)
        if wrapped_as == self._wrapped_as or not self.is_mounted:
            self._refresh_size()
            return
        self._wrapped_as = wrapped_as
        self._strips.clear()
        super()._rewrap_and_refresh_virtual_size()

    def _refresh_size(self) -> None:
        # Once with the whole size: the scrollbar that comes or goes with it wraps the text anew and ends up here again.
        self.virtual_size = self._text_size()
        self._refresh_scrollbars()

    def _text_size(self) -> Size:
        """Cells of all that can be scrolled to; no width where long lines are wrapped."""
        if self.soft_wrap:
            return Size(0, self.row_count())
        width, height = self.document.get_size(self.indent_width)
        # One cell more for the cursor at the end of the widest line.
        return Size(width + self.gutter_width + 1, height)

    def _build_highlight_map(self) -> None:
        """Rows are cached by what they show, so an edit makes none of them stale."""

    def row_count(self) -> int:
        """Visual rows of the text."""
        return self.wrapped_document.height

    def render_lines(self, crop: Region) -> list[Strip]:
        self._load_spans()
        return super().render_lines(crop)

    def _load_spans(self) -> None:
        if self._highlighter is None:
            self._spans = {}
            return
        info = self.wrapped_document._offset_to_line_info
        top = min(self.scroll_offset.y, len(info) - 1)
        bottom = min(top + self.size.height, len(info) - 1)
        self._spans = self._highlighter.spans(info[top][0], info[bottom][0])

    def render_line(self, y: int) -> Strip:
        if self.is_blank and self.placeholder:
            return super().render_line(y)
        return self._row(y + self.scroll_offset.y)

    @property
    def is_blank(self) -> bool:
        """Nothing is written yet."""
        return self.document.line_count == 1 and not self.document[0]

    def _row(self, row: int) -> Strip:
        """A visual row of the text."""
        if row >= self.row_count():
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
            self._spans.get(line_index),
            self._matches.get(line_index),
            self.gutter_width,
            self.scroll_offset.x,
            self.size.width,
        )

    def _document_row(self, line_index: int, section: int) -> Strip:
        offsets = self.wrapped_document.get_offsets(line_index)
        first = offsets[section - 1] if section else 0
        last = offsets[section] if section < len(offsets) else None
        line = self._styled_line(line_index, has_cursor=True, first=first, last=last)
        tab_widths = [width for width in self.wrapped_document.get_tab_widths(line_index) if width]
        if tab_widths:
            passed = self.document[line_index].count("\t", 0, first)
            line = expand_text_tabs_from_widths(line, tab_widths[passed : passed + line.plain.count("\t")])
        return self._finish_row(
            line,
            number=line_index if section == 0 else None,
            is_current=self.selection.end[0] == line_index,
        )

    def _styled_line(
        self, index: int, *, has_cursor: bool, is_current: bool = True, first: int = 0, last: int | None = None
    ) -> Text:
        """Columns `first` to `last` of a line with their colours; up to the end of the line, one cell more for a
        cursor there. What lies outside costs nothing: a line can have a million characters."""
        theme = self._theme
        whole = self.document[index]
        length = len(whole)
        line = Text(drawable(whole[first:last]) + ("" if last is not None else " "), end="", no_wrap=True)
        stop = first + len(line.plain)

        def put(style: Style | None, start: int, end: int) -> None:
            if style and start < stop and end > first:
                line.stylize(style, max(start - first, 0), min(end, stop) - first)

        selection = self.selection
        row, column = selection.end
        if row == index and is_current:
            put(theme.cursor_line_style, first, stop)
        for start, end, kind in self._spans.get(index, ()):
            put(self._syntax_style(kind), start, end)
        for start, end in self._matches.get(index, ()):
            put(self._component("code--match"), start, end)
        if not selection.is_empty:
            top, bottom = sorted(selection)
            if top[0] <= index <= bottom[0]:
                # The space at the end shows that the newline is selected too.
                put(
                    theme.selection_style,
                    top[1] if index == top[0] else 0,
                    bottom[1] if index == bottom[0] else length + 1,
                )
        match = self._matching_bracket_location
        if match and selection.is_empty:
            if row == index:
                put(theme.bracket_matching_style, column, column + 1)
            if match[0] == index:
                put(theme.bracket_matching_style, match[1], match[1] + 1)
        if has_cursor and row == index and self._draw_cursor:
            put(theme.cursor_style, column, column + 1)
        return line

    def _syntax_style(self, kind: str) -> Style:
        return self._component(f"syntax--{kind}") if kind else self._component("")

    def _component(self, name: str) -> Style:
        style = self._syntax_styles.get(name)
        if style is None:
            # A colour with an opacity is mixed with the background; the background itself is left to the row. Without
            # a name: the plain colour, for what stands inside something coloured.
            full = self.get_component_rich_style(name) if name else self.rich_style
            style = Style(color=full.color, bold=full.bold, italic=full.italic, underline=full.underline)
            if name == "code--match":
                style += Style(bgcolor=full.bgcolor)
            self._syntax_styles[name] = style
        return style

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
        if is_current and theme.cursor_line_style:
            strip = strip.extend_cell_length(width).apply_style(theme.cursor_line_style)
        else:
            strip = strip.extend_cell_length(width, base)
        if gutter_width:
            label = "" if number is None else str(number + self.line_number_start)
            style = theme.cursor_line_gutter_style if is_current else theme.gutter_style
            gutter = Strip([Segment(f"{label:>{gutter_width - 1}} ", style)], gutter_width)
            strip = Strip.join([gutter, strip])
        return strip.apply_style(base)

    def _recompute_cursor_offset(self) -> None:
        # In the middle of an undo the cursor can still be where the text no longer is.
        self._cursor_offset = self.wrapped_document.location_to_offset(self.clamp_visitable(self.cursor_location))

    # --- The mouse

    def on_click(self, event: events.Click) -> None:
        """Two clicks take a word, three a line."""
        row, column = self.get_target_document_location(event)
        if event.chain == 2:
            start, end = word_at(self.document[row], column)
            self.selection = Selection((row, start), (row, end))
        elif event.chain == 3:
            below = (row + 1, 0) if row + 1 < self.document.line_count else (row, len(self.document[row]))
            self.selection = Selection((row, 0), below)

    # --- Brackets

    def _yield_character_locations(self, start: Location) -> Iterable[tuple[str, Location]]:
        # Textual looks through the whole text, at each move of the cursor, for a bracket that may have no partner.
        last = start[0] + _BRACKET_SEARCH_ROWS
        found = takewhile(lambda item: item[1][0] <= last, super()._yield_character_locations(start))
        return islice(found, _BRACKET_SEARCH_CHARACTERS)

    def _yield_character_locations_reverse(self, start: Location) -> Iterable[tuple[str, Location]]:
        first = start[0] - _BRACKET_SEARCH_ROWS
        found = takewhile(lambda item: item[1][0] >= first, super()._yield_character_locations_reverse(start))
        return islice(found, _BRACKET_SEARCH_CHARACTERS)
