"""Finding text: all matches of a pattern, line by line."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from localcoder.errors import LocalcoderError

Match = tuple[int, int, int]
"""Row, first column, column after the last one."""

_MOST_MATCHES = 50_000
"""Chosen: more than anyone steps through, and few enough to be found and marked anew at each key of the search."""


@dataclass(frozen=True)
class Query:
    """What to look for. Without `is_regex` the text is taken as it is; lower-case text matches any case."""

    text: str
    is_regex: bool = False

    @property
    def has_case(self) -> bool:
        """Whether capitals and small letters are told apart."""
        return self.text != self.text.lower()

    def compiled(self) -> re.Pattern[str]:
        """Raises LocalcoderError for a regular expression that is none."""
        flags = 0 if self.has_case else re.IGNORECASE
        try:
            return re.compile(self.text if self.is_regex else re.escape(self.text), flags)
        except re.error as error:
            raise LocalcoderError(f"Not a regular expression: {error}.", "Fix it, or search for plain text.") from None


def find_all(lines: Sequence[str], query: Query) -> list[Match]:
    """All matches within lines, in order; at most 50,000. Raises LocalcoderError."""
    if not query.text:
        return []
    found: list[Match] = []
    finditer = query.compiled().finditer
    for row, line in enumerate(lines):
        for match in finditer(line):
            if match.end() > match.start():
                found.append((row, *match.span()))
        if len(found) >= _MOST_MATCHES:
            break
    return found


def first_from(matches: Sequence[Match], row: int, column: int) -> int:
    """The index of the first match that starts at or after a place; around the end, the first of all."""
    index = bisect_left(matches, (row, column, 0))
    return index if index < len(matches) else 0


def replaced(line: str, match: Match, query: Query, replacement: str) -> str:
    """The text that a match becomes; a regular expression's groups are `\\1`, `\\2`…"""
    _, start, end = match
    if not query.is_regex:
        return replacement
    found = query.compiled().match(line, start, end)
    try:
        return found.expand(replacement) if found else replacement
    except re.error as error:
        raise LocalcoderError(f"The replacement is wrong: {error}.", "Groups are \\1, \\2 and so on.") from None
