"""What of a text can be drawn: control characters become visible ones, one for one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import SupportsIndex, overload

from textual.document._document import Location
from textual.document._wrapped_document import WrappedDocument

from localcoder.tui.text.lines import LineDocument

_UNDRAWABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_LONG_LINE = 20_000
"""Characters. Looking for word ends costs 0.3 s a key at a million, so about 6 ms here: up to this it is not felt."""
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}


def drawable(text: str) -> str:
    """`text` with each control, zero-width or bidirectional character replaced by one visible cell.

    Such characters would reach the terminal as commands, or hide what the text really says; the replacement is one
    for one, so that columns stay the same.
    """
    return _UNDRAWABLE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    return chr(_PICTURES.get(ord(match[0]), 0xFFFD))


class _DrawableLines:
    """A list of lines, each made drawable when it is asked for."""

    def __init__(self, document: LineDocument) -> None:
        self._document = document

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [drawable(line) for line in self._document.lines[index]]
        return drawable(self._document.lines[index])

    def __iter__(self) -> Iterator[str]:
        return map(drawable, self._document.lines)

    def __len__(self) -> int:
        return self._document.line_count


class DrawableDocument:
    """A LineDocument as wrapping and navigation should see it."""

    def __init__(self, document: LineDocument) -> None:
        self._document = document
        self.lines = _DrawableLines(document)

    def get_line(self, index: int) -> str:
        return self.lines[index]

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | list[str]:
        return self.lines[index]

    @property
    def line_count(self) -> int:
        return self._document.line_count


class DrawableWrapping(WrappedDocument):
    """Textual's wrapping over drawable lines, with its height at hand instead of summed for each row drawn."""

    def __init__(self, document: LineDocument, width: int = 0, tab_width: int = 4) -> None:
        self._source = document
        super().__init__(DrawableDocument(document), width, tab_width)  # type: ignore[arg-type]

    @property
    def height(self) -> int:
        return len(self._offset_to_line_info)

    def wrap(self, width: int, tab_width: int | None = None) -> None:
        super().wrap(width, tab_width)
        self._fold_long_lines(0, self.document.line_count - 1)

    def wrap_range(self, start: Location, old_end: Location, new_end: Location) -> None:
        if start[0] == old_end[0] == new_end[0] and self._fold_line(start[0]):
            return
        super().wrap_range(start, old_end, new_end)
        self._fold_long_lines(min(start[0], new_end[0]), max(start[0], new_end[0]))

    def _fold_long_lines(self, first: int, last: int) -> None:
        lines = self._source.lines
        for index in range(first, min(last + 1, len(lines))):
            if len(lines[index]) >= _LONG_LINE:
                self._fold_line(index)

    def _fold_line(self, index: int) -> bool:
        """Cut a very long line at each width, not between words: to find those costs 0.3 s a key in a megabyte.

        False where it is not that long, or where its characters are not all one cell wide.
        """
        if not self._width or not 0 <= index < len(self._line_index_to_offsets):
            return False
        source = self._source.lines[index]
        if len(source) < _LONG_LINE or not source.isascii() or not source.isprintable():
            return False
        rows = self._line_index_to_offsets
        top, old_count = rows[index][0], len(rows[index])
        cuts = list(range(self._width, len(source), self._width))
        count = len(cuts) + 1
        self._wrap_offsets[index] = cuts
        self._tab_width_cache[index] = [0]
        self._offset_to_line_info[top : top + old_count] = [(index, section) for section in range(count)]
        rows[index] = list(range(top, top + count))
        if count != old_count:
            for below in range(index + 1, len(rows)):
                rows[below] = [offset + count - old_count for offset in rows[below]]
        return True

    def get_sections(self, line_index: int) -> list[str]:
        line = self.document[line_index]
        cuts = [0, *self.get_offsets(line_index), len(line)]
        return [line[start:end] for start, end in pairwise(cuts)]
