"""Find and replace: connects the find bar with an editor."""

from __future__ import annotations

from textual.document._document import Selection

from localcoder.errors import LocalcoderError
from localcoder.tui.text import search
from localcoder.tui.text.search import Match, Query
from localcoder.tui.widgets.editor import Editor
from localcoder.tui.widgets.find_bar import FindBar


class Searching:
    """One search at a time."""

    def __init__(self, bar: FindBar) -> None:
        self._bar = bar
        self._query = Query("")
        self._matches: list[Match] = []
        self._index: int | None = None
        self._origin = (0, 0)

    def begin(self, editor: Editor, *, with_replace: bool) -> None:
        """Open the bar on the selection, if that is a part of a line."""
        self._origin = min(editor.selection)
        text = editor.selected_text
        self._bar.open(text if "\n" not in text else "", with_replace=with_replace)

    def look_for(self, editor: Editor, query: Query) -> None:
        """Mark all matches and go to the first one from where the search began."""
        self._query = query
        if not self._refresh(editor):
            return
        if self._matches:
            self._go(editor, search.first_from(self._matches, *self._origin))
        else:
            self._index = None
        self._bar.show_count(self._index, len(self._matches))

    def step(self, editor: Editor, by: int) -> None:
        """Go to the next or the previous match, around the ends of the text."""
        if not self._query.text or not self._refresh(editor) or not self._matches:
            return
        here = search.first_from(self._matches, *min(editor.selection))
        is_on_match = self._place(self._matches[here]) == editor.selection
        # From between two matches, `here` is already the next one.
        self._go(editor, (here + (by if is_on_match or by < 0 else 0)) % len(self._matches))
        self._bar.show_count(self._index, len(self._matches))

    def replace(self, editor: Editor, replacement: str, *, everywhere: bool) -> int:
        """Replace the match that is selected, or all as one step of undo; returns how many.

        Raises LocalcoderError for a replacement that the regular expression has no groups for.
        """
        if not self._refresh(editor) or not self._matches:
            return 0
        if everywhere:
            return self._replace_all(editor, replacement)
        here = search.first_from(self._matches, *min(editor.selection))
        match = self._matches[here]
        if self._place(match) != editor.selection:
            self._go(editor, here)
            return 0
        text = search.replaced(editor.document[match[0]], match, self._query, replacement)
        result = editor.replace(text, *editor.selection, maintain_selection_offset=False)
        editor.move_cursor(result.end_location)
        self.step(editor, 1)
        return 1

    def end(self, editor: Editor) -> None:
        editor.show_matches(())

    def _replace_all(self, editor: Editor, replacement: str) -> int:
        count = len(self._matches)
        by_row: dict[int, list[Match]] = {}
        for match in self._matches:
            by_row.setdefault(match[0], []).append(match)
        first, last = self._matches[0][0], self._matches[-1][0]

        def change(lines: list[str]) -> list[str]:
            return [self._line_replaced(line, by_row.get(first + i, []), replacement) for i, line in enumerate(lines)]

        editor.change_lines(first, last, lambda lines: change(list(lines)))
        self._refresh(editor)
        self._bar.show_count(None, len(self._matches))
        return count

    def _line_replaced(self, line: str, matches: list[Match], replacement: str) -> str:
        parts, end = [], 0
        for match in matches:
            parts += [line[end : match[1]], search.replaced(line, match, self._query, replacement)]
            end = match[2]
        return "".join(parts) + line[end:]

    def _refresh(self, editor: Editor) -> bool:
        try:
            self._matches = search.find_all(editor.document.lines, self._query)
        except LocalcoderError as error:
            self._matches = []
            self._bar.show_count(None, 0, error.what)
            return False
        finally:
            editor.show_matches(self._matches)
        return True

    def _go(self, editor: Editor, index: int) -> None:
        self._index = index
        editor.selection = self._place(self._matches[index])
        editor.scroll_cursor_visible(center=not _is_visible(editor))

    @staticmethod
    def _place(match: Match) -> Selection:
        row, start, end = match
        return Selection((row, start), (row, end))


def _is_visible(editor: Editor) -> bool:
    y = editor._cursor_offset[1] - editor.scroll_offset.y
    return 0 <= y < editor.size.height
