"""Whether the new text is what another file of the project has already, word for word: that can be called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.code.ranges import Range
from localcoder.repository.index import Index

_LEAST_LINES, _LEAST_CHARACTERS = 5, 160
"""What is shorter is alike by chance (`tests/benchmarks/checks.py`)."""
_MOST_FILES = 4
_MOST_PIECES = 12


@dataclass(frozen=True)
class _Line:
    """A line that says something: its text without white space, where it stands (character, or number from 1)."""

    text: str
    at: int


def find(change: Change) -> Iterator[Finding]:
    index, here = change.index, change.path_in_index
    lines = _lines_of(change)
    if index is None or here is None or len(lines) < _LEAST_LINES or not index.is_complete:
        return
    found = index.search(change.text, limit=_MOST_PIECES)
    files = list(dict.fromkeys(each.path for each in found if each.path != here))
    for path in files[:_MOST_FILES]:
        other = [
            _Line("".join(line.split()), number)
            for piece in index.pieces(path)
            for number, line in enumerate(piece.text.split("\n"), piece.line)
        ]
        run = _longest_run(lines, [line for line in other if _says_something(line.text)])
        if run is None:
            continue
        first, last, there = run
        where = Range(lines[first].at, lines[last].at)
        end = change.after.find("\n", where.end)
        where = Range(where.start, end if end >= 0 else len(change.after))
        name = _name_at(index, path, there)
        stands = f"in `{name}` of {path}" if name else f"in {path}"
        yield change.finding(
            "copies", where, f"These {last - first + 1} lines are {stands}, too", f"Line {there}: {_TODO}"
        )
        return


_TODO = "it may be called, or imported, instead."


def _lines_of(change: Change) -> list[_Line]:
    place = change.new_lines
    found, at = [], place.start
    for line in change.after[place.start : place.end].split("\n"):
        text = "".join(line.split())
        if _says_something(text):
            found.append(_Line(text, at))
        at += len(line) + 1
    return found


def _says_something(text: str) -> bool:
    return sum(map(str.isalnum, text)) >= 3


def _longest_run(lines: Sequence[_Line], other: Sequence[_Line]) -> tuple[int, int, int] | None:
    """(first and last of `lines`, number of the first in the other file) of what is long enough."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(other):
        places[line.text].append(number)
    best: tuple[int, int, int, int] | None = None
    for first, line in enumerate(lines):
        for there in places[line.text]:
            count = 0
            while (
                first + count < len(lines)
                and there + count < len(other)
                and lines[first + count].text == other[there + count].text
            ):
                count += 1
            size = sum(len(each.text) for each in lines[first : first + count])
            if count >= _LEAST_LINES and size >= _LEAST_CHARACTERS and (best is None or size > best[0]):
                best = size, first, first + count - 1, other[there].at
    return None if best is None else best[1:]


def _name_at(index: Index, path: PurePosixPath, line: int) -> str:
    outline = index.outline(path)
    around = [] if outline is None else [each for each in outline.definitions if each.line <= line <= each.end_line]
    return around[-1].qualified_name if around else ""
