"""Where ghost text goes on the screen: the rows that stand in for the cursor's line while a suggestion is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.expand_tabs import expand_text_tabs_from_widths, get_tab_widths

_WORD = re.compile(r"\s*(\w+|[^\w\s]+)")


Span = tuple[int, int, str]
"""From one character to before another, and the name of a style."""


class Fate(Protocol):
    """Whoever wants to know what becomes of a suggestion."""

    def taken(self, text: str, at: int) -> None:
        """This much of it is going to be put into the text by a key, at this offset."""
        ...

    def ended(self) -> None:
        """It is shown no more: nothing is left of it, or it was dismissed, or something else is shown."""
        ...


@dataclass(frozen=True)
class Ghost:
    """Suggested text (lines ended by `\\n`) that stands at `location` (row, column) without being in the document.

    `spans` are (start, end, style name) over `text`, for shading. `is_growing`: more of it may come. `fate` is told
    what becomes of it, however it was moved and cut by typing along.
    """

    text: str
    location: tuple[int, int]
    is_growing: bool = False
    spans: tuple[Span, ...] = ()
    fate: Fate | None = field(default=None, compare=False, repr=False)
    is_unsure: bool = False
    """It would not have come by itself: it is shown as what the model doubts."""

    def grown(self, more: str) -> Ghost:
        return replace(self, text=self.text + more)

    def eaten(self, typed: str, location: tuple[int, int]) -> Ghost | None:
        """What is left when its beginning was typed; None when something else was typed, or nothing is left."""
        if not self.text.startswith(typed):
            return None
        rest = self.text[len(typed) :]
        if not rest and not self.is_growing:
            return None
        moved = ((max(start - len(typed), 0), end - len(typed), name) for start, end, name in self.spans)
        return replace(self, text=rest, location=location, spans=tuple(span for span in moved if span[1] > 0))

    def next_word(self) -> str:
        """Its first word or run of other characters, with the white space before it."""
        match = _WORD.match(self.text)
        return match[0] if match else self.text

    def next_line(self) -> str:
        """The rest of its first line; when it starts with a newline, that and the line after it."""
        end = self.text.find("\n", 1)
        return self.text if end < 0 else self.text[:end]


def ghost_rows(
    before: Text,
    ghost: Sequence[Text],
    after: Text,
    *,
    wrap_offsets: Sequence[int],
    width: int,
    tab_width: int,
    cursor_style: Style | None,
) -> list[Text]:
    """The visual rows of one line of a document with ghost lines between its two halves.

    Rows above the cursor are broken at `wrap_offsets`, where the line is broken without the ghost, so that what the
    user typed stands still. From the cursor on, rows are cut at `width` cells (0: never). Tabs come out as spaces.
    """
    first, *others = ghost
    if cursor_style:
        first = first.copy() if first.plain or others else Text(" ")
        if not first.plain:
            first.append(" ")
        first.stylize(cursor_style, 0, 1)
    lines = [Text.assemble(before, first, end=""), *others]
    lines[-1] = Text.assemble(lines[-1], after, end="")
    kept = [offset for offset in wrap_offsets if offset <= len(before.plain)]
    rows: list[Text] = []
    for number, line in enumerate(lines):
        tab_widths = [size for part, size in get_tab_widths(line.plain, tab_width) if size]
        *heads, tail = line.divide(kept) if number == 0 and kept else [line]
        for head in heads:
            tabs = head.plain.count("\t")
            rows.append(expand_text_tabs_from_widths(head, tab_widths[:tabs]))
            tab_widths = tab_widths[tabs:]
        rows.extend(_fold(expand_text_tabs_from_widths(tail, tab_widths), width))
    return rows


def _fold(line: Text, width: int) -> list[Text]:
    """Cut at `width` cells; a wide character that does not fit whole goes to the next row."""
    if not width or cell_len(line.plain) <= width:
        return [line]
    cuts: list[int] = []
    used = 0
    for index, character in enumerate(line.plain):
        cells = cell_len(character)
        if used + cells > width:
            cuts.append(index)
            used = 0
        used += cells
    return list(line.divide(cuts))
