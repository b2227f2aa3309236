"""The editor's document: lines that join to exactly the bytes that were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from textual._cells import cell_len
from textual.document._document import Document, EditResult, Location
from textual.document._edit import Edit
from textual.expand_tabs import expand_tabs_inline
from textual.geometry import Size
from textual.widgets import TextArea


def newline_of(text: str) -> str:
    r"""What ends this text's lines: `\r\n` only if all do, `\r` only where there is no `\n`, else `\n`.

    In a text of mixed endings the `\r` of a `\r\n` stays a character of its line: it is shown, and saved again.
    """
    feeds = text.count("\n")
    if not feeds:
        return "\r" if "\r" in text else "\n"
    return "\r\n" if text.count("\r\n") == feeds else "\n"


def has_mixed_newlines(text: str) -> bool:
    pairs = text.count("\r\n")
    return 0 < pairs < text.count("\n")


def difference(before: str, after: str) -> tuple[int, int, str]:
    r"""The one change that makes `after` of `before`: start and end in `before`, and the text that comes there.

    It never begins or ends within a `\r\n`.
    """
    shorter = min(len(before), len(after))
    start = _common(before, after, shorter, from_end=False)
    start -= _splits_pair(before, start) or _splits_pair(after, start)
    kept = _common(before, after, shorter - start, from_end=True)
    kept -= _splits_pair(before, len(before) - kept) or _splits_pair(after, len(after) - kept)
    return start, len(before) - kept, after[start : len(after) - kept]


def row_after(before: list[str], after: list[str], row: int) -> int:
    """Which line of `after` is the one at `row` of `before`, or stands where that one was."""
    shorter = min(len(before), len(after))
    top = _common(before, after, shorter, from_end=False)
    bottom = _common(before, after, shorter - top, from_end=True)
    if row < top:
        return row
    if row >= len(before) - bottom:
        return row + len(after) - len(before)
    shift = 0
    changed = SequenceMatcher(None, before[top : len(before) - bottom], after[top : len(after) - bottom])
    for block in changed.get_matching_blocks():
        if block.a > row - top:
            break
        shift = block.b - block.a
    return min(row + shift, len(after) - 1)


def _common(one: Sequence[str], other: Sequence[str], most: int, *, from_end: bool) -> int:
    """How much of two beginnings or ends, up to `most`, is the same."""
    if from_end:
        one, other = one[len(one) - most :], other[len(other) - most :]
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        part = slice(most - middle, most - low) if from_end else slice(low, middle)
        if one[part] == other[part]:
            low = middle
        else:
            high = middle - 1
    return low


def _splits_pair(text: str, index: int) -> bool:
    return text[index - 1 : index + 1] == "\r\n" if index else False


class LineDocument(Document):
    """Textual's Document, except that nothing but the text's own newline ends a line.

    Textual splits at form feeds, U+2028 and the like too, and joins with newlines, which changes the file.
    """

    def __init__(self, text: str) -> None:
        self.end_lines_by(newline_of(text))
        self._lines = text.split(self._newline)
        self._widest: int | None = None
        self.on_replaced: Callable[[int, int, Sequence[str], Sequence[str]], None] | None = None
        """Told of each change: row, column, and the pieces between newlines before and after it."""

    def end_lines_by(self, newline: str) -> None:
        self._newline = newline  # type: ignore[assignment]

    def normalised(self, text: str) -> str:
        """`text` with whatever ends its lines replaced by this document's newline."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text if self._newline == "\n" else text.replace("\n", self._newline)

    def replace_range(self, start: Location, end: Location, text: str) -> EditResult:
        (top_row, top_column), (bottom_row, bottom_column) = sorted((start, end))
        lines = self._lines
        replaced = self._pieces(start, end)
        removed = lines[top_row : bottom_row + 1]
        before = removed[0][:top_column] if removed else ""
        # Deleting the last line gives an end one row below it.
        after = removed[-1][bottom_column:] if bottom_row < len(lines) else ""
        pieces = text.split(self._newline)
        inserted = pieces.copy()
        inserted[0] = before + inserted[0]
        end_column = len(inserted[-1])
        inserted[-1] += after
        lines[top_row : bottom_row + 1] = inserted
        self._track_widest(removed, inserted)
        if self.on_replaced:
            self.on_replaced(top_row, top_column, replaced, pieces)
        return EditResult((top_row + len(inserted) - 1, end_column), self._newline.join(replaced))

    def get_text_range(self, start: Location, end: Location) -> str:
        return self._newline.join(self._pieces(start, end))

    def _pieces(self, start: Location, end: Location) -> list[str]:
        """What stands between the newlines of a range."""
        (top_row, top_column), (bottom_row, bottom_column) = sorted((start, end))
        if top_row == bottom_row:
            return [self._lines[top_row][top_column:bottom_column]]
        picked = self._lines[top_row : bottom_row + 1]
        picked[0] = picked[0][top_column:]
        if bottom_row < len(self._lines):
            picked[-1] = picked[-1][:bottom_column]
        return picked

    def get_size(self, tab_width: int) -> Size:
        """As Textual's, but measured again only when the widest line may have changed: that is once a key there."""
        if self._widest is None:
            self._widest = max(_width(line, tab_width) for line in self._lines)
        return Size(self._widest, len(self._lines))

    def index_of(self, location: Location) -> int:
        row, column = location
        return sum(map(len, self._lines[:row])) + row * len(self._newline) + column

    def location_of(self, index: int) -> Location:
        """The location of a character offset; offsets past the end give the end."""
        step = len(self._newline)
        for row, line in enumerate(self._lines):
            if index <= len(line):
                return row, max(index, 0)
            index -= len(line) + step
        return self.end

    def _track_widest(self, removed: Sequence[str], inserted: Sequence[str]) -> None:
        if self._widest is None:
            return
        # A tab is at most 8 cells here, so no line is wider than eight times its characters.
        if any(len(line) * 8 >= self._widest for line in (*removed, *inserted)):
            self._widest = None


@dataclass
class Rewrite(Edit):
    """Replaces a whole text by one whose lines end by another `newline`."""

    newline: str = "\n"
    _newline_before: str = field(init=False, default="")

    def do(self, text_area: TextArea, record_selection: bool = True) -> EditResult:
        document = _lines_of(text_area)
        self._newline_before, text_before = document.newline, document.text
        document.end_lines_by(self.newline)
        result = super().do(text_area, record_selection)
        self._edit_result = EditResult(result.end_location, text_before)
        return self._edit_result

    def undo(self, text_area: TextArea) -> EditResult:
        _lines_of(text_area).end_lines_by(self._newline_before)
        return super().undo(text_area)


def _lines_of(text_area: TextArea) -> LineDocument:
    assert isinstance(text_area.document, LineDocument)
    return text_area.document


def _width(line: str, tab_width: int) -> int:
    return cell_len(expand_tabs_inline(line, tab_width) if "\t" in line else line)
