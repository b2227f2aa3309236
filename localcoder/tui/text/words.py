"""Words in a line: names, and what stands between them."""

from __future__ import annotations

import re

_RUN = re.compile(r"\w+|\s+|[^\w\s]+")


def is_of_word(character: str) -> bool:
    """Whether it can stand in a name."""
    return character.isalnum() or character == "_"


def is_inside_word(before: str, after: str) -> bool:
    """Whether what meets here are two characters of one name."""
    return is_of_word(before[-1:]) and is_of_word(after[:1])


def word_at(line: str, column: int) -> tuple[int, int]:
    """Start and end of the word, or the run of other characters, at a column; behind the last one, of that."""
    for run in _RUN.finditer(line):
        if column < run.end() or run.end() == len(line):
            return run.span()
    return 0, 0


def name_at(line: str, column: int) -> str:
    """The name that the column is in, or right behind; empty for none."""
    for at in (column, column - 1):
        if 0 <= at < len(line) and is_of_word(line[at]):
            start, end = word_at(line, at)
            return line[start:end]
    return ""
