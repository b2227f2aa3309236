"""A file in pieces of a few lines, each of which can stand for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localcoder.code.outline import Definition

_FEWEST_LINES, _MOST_LINES = 8, 24
_MOST_CHARACTERS = 1_200
_LONGEST_LINE = 400


@dataclass(frozen=True)
class Piece:
    """Some lines of a file; `line` is the first, counted from 1."""

    line: int
    end_line: int
    text: str


def cut(text: str, definitions: Sequence[Definition] = ()) -> tuple[Piece, ...]:
    """Pieces that do not overlap. They begin with a definition or behind an empty line where that is near."""
    if not text:
        return ()
    starts = {each.line for each in definitions}
    pieces: list[Piece] = []
    lines: list[str] = []
    first = size = 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip()[:_LONGEST_LINE]
        is_full = len(lines) >= _MOST_LINES or size + len(line) > _MOST_CHARACTERS
        is_start = number in starts or (line and lines and not lines[-1])
        if lines and (is_full or (is_start and len(lines) >= _FEWEST_LINES)):
            _add(pieces, first, lines)
            lines, size = [], 0
        if line or lines:
            first = first if lines else number
            lines.append(line)
            size += len(line) + 1
    _add(pieces, first, lines)
    return tuple(pieces)


def _add(pieces: list[Piece], first: int, lines: list[str]) -> None:
    while lines and not lines[-1]:
        lines.pop()
    if lines:
        pieces.append(Piece(first, first + len(lines) - 1, "\n".join(lines)))
