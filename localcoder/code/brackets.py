"""Brackets in code, and the line that has the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OPENING, CLOSING = "([{", ")]}"
_LONGEST_LINE = 2_000
"""Characters. Chosen: what stands further to the left of a cursor is data, not a bracket that somebody is closing."""


@dataclass(frozen=True)
class Bracket:
    """One bracket in code. `offset` counts characters from the cursor, below 0 for those that stand before it."""

    offset: int
    character: str


@dataclass(frozen=True)
class OpenBracket:
    """A bracket that nothing has closed so far, and the white space that its line begins with."""

    character: str
    indentation: str


def cursor_line(before: str) -> str:
    """The line that has the cursor, up to it; of a very long one the end."""
    return before[max(before.rfind("\n") + 1, len(before) - _LONGEST_LINE) :]


def balance(brackets: Iterable[str]) -> int:
    """Opening ones less closing ones."""
    return sum(1 if bracket in OPENING else -1 for bracket in brackets)


def open_brackets(before: bytes, brackets: Iterable[tuple[int, str]]) -> tuple[OpenBracket, ...]:
    """Those of the (byte, bracket) pairs that are still open after the last one."""
    stack: list[tuple[int, str]] = []
    for byte, character in brackets:
        if character in OPENING:
            stack.append((byte, character))
        elif stack:
            stack.pop()
    found = []
    for byte, character in stack:
        line = before[before.rfind(b"\n", 0, byte) + 1 : byte].decode("utf-8", "replace")
        found.append(OpenBracket(character, line[: len(line) - len(line.lstrip())]))
    return tuple(found)
