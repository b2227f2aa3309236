"""What of a text can be drawn: control characters become visible ones, one for one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import SupportsIndex, overload

from textual.document._wrapped_document import WrappedDocument

from localcoder.tui.text.lines import LineDocument

_UNDRAWABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
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
        super().__init__(DrawableDocument(document), width, tab_width)  # type: ignore[arg-type]

    @property
    def height(self) -> int:
        return len(self._offset_to_line_info)

    def get_sections(self, line_index: int) -> list[str]:
        line = self.document[line_index]
        cuts = [0, *self.get_offsets(line_index), len(line)]
        return [line[start:end] for start, end in pairwise(cuts)]
