"""What a generated text says that is there already: the code behind the cursor, or its own lines over and over."""

from __future__ import annotations

import re

_ROUNDS_KEPT, _ROUNDS = 2, 16
"""Of lines that come again and again: how many rounds are shown, and from how many on nothing else is expected."""
_LONGEST_UNIT = 3
"""Lines of what is taken for a repeated unit. Chosen: longer ones are tables, which are meant to go on."""
_LOOKED_AT_LINES = 200
"""Chosen: as much as is near enough to the cursor to say what is usual there."""
_LOOKED_AT_CHARACTERS = 8_000
"""More than any completion repeats."""


class Repetition:
    """How much of the code behind the cursor the text says at its end, white space at line ends left out.

    `start` is where in the text that begins, `length` its characters, `lines` its whole lines.
    """

    def __init__(self, suffix: str) -> None:
        self._wanted = _condensed(suffix[:_LOOKED_AT_CHARACTERS])
        self._first_line = len(self._wanted.lstrip("\n").partition("\n")[0]) + self._wanted.startswith("\n")
        self._lead = len(suffix) - len(suffix.lstrip())
        self._table = [0]
        self._condensed: list[int] = []
        self._space = ""
        self._seen = 0
        self._space_start = 0
        self.length = 0
        self._starts: list[int] = []
        self._ends: list[int] = []

    def feed(self, part: str) -> None:
        for character in part:
            if character.isspace():
                if not self._space:
                    self._space_start = self._seen
                self._space += character
            else:
                if self._space:
                    if "\n" in self._space:
                        self._take("\n", self._space_start)
                        self._space = self._space.rpartition("\n")[2]
                    for offset, space in enumerate(self._space, self._seen - len(self._space)):
                        self._take(space, offset)
                    self._space = ""
                self._take(character, self._seen)
            self._seen += 1

    def _take(self, character: str, offset: int) -> None:
        """One step of Knuth, Morris and Pratt's search."""
        self._starts.append(offset)
        self._ends.append(self._seen)
        length = self.length
        while length and (length == len(self._wanted) or self._wanted[length] != character):
            length = self._fallback(length)
        if length < len(self._wanted) and self._wanted[length] == character:
            length += 1
        self.length = length

    def _fallback(self, length: int) -> int:
        table, wanted = self._table, self._wanted
        while len(table) < length:
            border = table[-1]
            character = wanted[len(table)]
            while border and wanted[border] != character:
                border = table[border - 1]
            table.append(border + (wanted[border] == character))
        return table[length - 1]

    @property
    def start(self) -> int:
        """Where the repetition begins in the text, the white space that the suffix begins with included."""
        if not self.length:
            return self._seen
        start, end = self._starts[-self.length], self._ends[-self.length]
        return max(start, end - self._lead) if self._wanted.startswith("\n") else start

    @property
    def lines(self) -> int:
        said = self._wanted[: self.length].strip("\n").count("\n")
        is_whole = self.length == len(self._wanted) or self._wanted[self.length] == "\n"
        return said + is_whole if self.length else 0

    @property
    def covers_first_line(self) -> bool:
        return 0 < self._first_line <= self.length


class Loop:
    """Lines that come again and again: more often than the file itself does it, and than anyone means."""

    def __init__(self, prefix: str, suffix: str) -> None:
        lines = prefix.split("\n")[-_LOOKED_AT_LINES:], suffix.split("\n")[:_LOOKED_AT_LINES]
        self._usual = max(_most_rounds(each) for each in lines)

    def held(self, text: str) -> int:
        """Offset from which the text may be a loop's."""
        found = self._find(text)
        return len(text) if found is None else found[0]

    def end(self, text: str) -> int | None:
        """Offset where the text is to end, when it goes round in circles."""
        found = self._find(text)
        return found[0] if found is not None and found[1] >= max(_ROUNDS, self._usual + 1) else None

    def cut(self, text: str) -> int | None:
        """Offset where the text is to end when it was broken off."""
        found = self._find(text)
        return found[0] if found is not None and found[1] > max(_ROUNDS_KEPT + 1, self._usual) else None

    def _find(self, text: str) -> tuple[int, int] | None:
        """(offset of the rounds that are too many, how many there are in all)."""
        *whole, last = text.split("\n")
        for period in range(1, _LONGEST_UNIT + 1):
            repeated = _repeated_lines(whole, period)
            rounds, kept = 1 + repeated // period, max(_ROUNDS_KEPT, self._usual)
            if rounds < kept or not any(line.strip() for line in whole[-period:]):
                continue
            beyond = repeated - (kept - 1) * period
            if beyond > 0 or whole[-period].startswith(last):
                return len("\n".join(whole[: len(whole) - beyond])), rounds
        return None


def _most_rounds(lines: list[str]) -> int:
    """How often in a row the same lines stand there, at most."""
    most = 1
    for period in range(1, _LONGEST_UNIT + 1):
        count = 0
        for above, line in zip(lines, lines[period:], strict=False):
            count = count + 1 if above == line and line.strip() else 0
            most = max(most, 1 + count // period)
    return most


def _repeated_lines(lines: list[str], period: int) -> int:
    """How many lines at the end equal the line `period` above them."""
    count = 0
    while count + period < len(lines) and lines[-1 - count] == lines[-1 - count - period]:
        count += 1
    return count


def _condensed(text: str) -> str:
    """Without white space at line ends and at the end, and without blank lines."""
    return re.sub(r"[^\S\n]*\n\s*?(?=[^\S\n]*\S)|\s+\Z", lambda match: "\n" if "\n" in match[0] else "", text).rstrip()
