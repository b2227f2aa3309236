"""When a completion is over, seen from its text."""

from __future__ import annotations

from typing import Literal

Mode = Literal["line", "block", "free"]
MODES: tuple[Mode, ...] = ("line", "block", "free")
_OPENING, _CLOSING = "([{", ")]}"
_REPEATS = 4
_LONGEST_UNIT = 3
"""Lines of the longest unit whose repetition is noticed."""


class Stopper:
    """Watches a completion's text grow: `cut` is where it ends once `reason` is set; it will not end before `sure`.

    - line: ends with the line that has the cursor, or with the first line of text when the cursor's line is empty.
    - block: ends before a line that is indented less than the line with the cursor, before a bracket that closes
      what was open before the cursor, and before a paragraph that begins at the cursor's own level after a blank line.
    - free: ends where the model ends.

    In every mode it ends when the same lines come again and again.
    """

    def __init__(self, mode: Mode, prefix: str, suffix: str) -> None:
        self._mode = mode
        line = prefix[prefix.rfind("\n") + 1 :]
        self._starts_inside = bool(line.strip())
        self._indent = _indent(line)
        self._rest_of_line = suffix.split("\n", 1)[0].strip()
        self.reason: str | None = None
        self.cut = 0
        self.sure = 0

    def feed(self, text: str) -> bool:
        """Look at all of the text so far; True when the completion is over."""
        if self._mode == "line":
            self._end_of_line(text)
        elif self._mode == "block":
            self._end_of_block(text)
        if self.reason is None:
            self._loop(text)
        return self.reason is not None

    def _stop(self, reason: str, cut: int) -> None:
        self.reason, self.cut = reason, cut

    def _end_of_line(self, text: str) -> None:
        lead = 0 if self._starts_inside else len(text) - len(text.lstrip())
        end = text.find("\n", lead)
        if end >= 0:
            self._stop("line", end)

    def _end_of_block(self, text: str) -> None:
        end = text.find("\n")
        if end >= 0 and self._rest_of_line:
            # Code goes on behind the cursor: what belongs between is within this line.
            return self._stop("line", end)
        blank = False
        while end >= 0:
            start, end = end + 1, text.find("\n", end + 1)
            line = text[start:] if end < 0 else text[start:end]
            if not line.strip():
                blank = end >= 0
                continue
            indent = _indent(line)
            closing = line.strip()[0] in _CLOSING
            if indent < self._indent or (indent == self._indent and blank and not closing):
                return self._stop("block", len(text[:start].rstrip()))
            blank = False
        if (close := _first_unopened(text)) is not None and "\n" in text[:close]:
            self._stop("bracket", close)
        return None

    def _loop(self, text: str) -> None:
        self.sure = len(text)
        lines = text.split("\n")
        whole, last = lines[:-1], lines[-1]
        for period in range(1, _LONGEST_UNIT + 1):
            repeated = _repeated_lines(whole, period)
            if repeated < period or not any(line.strip() for line in whole[-period:]):
                continue
            # Two of them may well be meant: only from the third on does it count as a repetition.
            beyond = repeated - period
            if beyond == 0 and not whole[-period].startswith(last):
                continue
            kept = "\n".join(whole[: len(whole) - beyond])
            self.sure = min(self.sure, len(kept))
            if beyond >= period * (_REPEATS - 2):
                return self._stop("loop", len(kept))
        return None


def _repeated_lines(lines: list[str], period: int) -> int:
    """How many lines at the end equal the line `period` above them."""
    count = 0
    while count + period < len(lines) and lines[-1 - count] == lines[-1 - count - period]:
        count += 1
    return count


def _indent(line: str) -> int:
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())


def _first_unopened(text: str) -> int | None:
    """Offset of the first bracket that closes something opened before the text. Strings are not looked into."""
    open_brackets: list[str] = []
    for offset, character in enumerate(text):
        if character in _OPENING:
            open_brackets.append(character)
        elif character in _CLOSING:
            if not open_brackets:
                return offset
            open_brackets.pop()
    return None
