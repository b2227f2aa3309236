"""Where whoever asks wants a generated text to end, whatever the code says: at a string, a line, or after some time."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Stop:
    """`words`: the text ends before the first that comes. `least_indent`: before a line indented by fewer characters.

    `time_budget_s`: seconds after the first token from which on it ends with the line, once it has one that is not
    blank. None for no end.
    """

    words: tuple[str, ...] = ()
    least_indent: int = 0
    time_budget_s: float | None = None


class Stopping:
    """One text as it comes. `reason` is set when no more is wanted of it: stop (with the `word`), indent or time."""

    def __init__(self, stop: Stop) -> None:
        self._words = tuple(word for word in stop.words if word)
        self._least_indent = stop.least_indent
        self._time_budget_s = stop.time_budget_s
        self._first_s: float | None = None
        self._held = ""
        """What may belong to a word or to a line that is not wanted."""
        self._has_text = False
        self.reason: str | None = None
        self.word = ""

    def feed(self, piece: str) -> str:
        """Take more text; returns what is sure to be before the end."""
        if self.reason is not None:
            return ""
        now = time.monotonic()
        self._first_s = self._first_s or now
        self._held += piece
        cut = self._end()
        if self.reason is None and self._time_budget_s is not None and now - self._first_s > self._time_budget_s:
            end = self._held[:cut].rfind("\n")
            if end >= 0 and (self._has_text or self._held[:end].strip()):
                self.reason, cut = "time", end + 1
        text, self._held = self._held[:cut], self._held[cut:]
        self._has_text = self._has_text or bool(text.strip())
        return text

    def rest(self) -> str:
        """What is still held, when no more comes."""
        rest, self._held = self._held if self.reason is None else "", ""
        return rest

    def _end(self) -> int:
        """Offset in what is held of where the text ends, or else of what has to be held longer."""
        # The first that is whole, so that it does not depend on how the text is cut into pieces.
        places = ((at + len(word), at, word) for word in self._words if (at := self._held.find(word)) >= 0)
        found = min(places, default=None)
        until = len(self._held) if found is None else found[1]
        thin = self._thin_line(until)
        if thin is not None:
            self.reason = "indent"
            return thin
        if found is not None:
            self.word, self.reason = found[2], "stop"
            return until
        begun = [_overlap(self._held, word) for word in self._words]
        if self._least_indent:
            line = len(self._held) - len(self._held.rstrip())
            begun.append(line if "\n" in self._held[len(self._held) - line :] else 0)
        return until - max(begun, default=0)

    def _thin_line(self, until: int) -> int | None:
        """Offset of the newline before a line with too little indentation; blank lines are let through."""
        if not self._least_indent:
            return None
        newline = self._held.find("\n", 0, until)
        while newline >= 0:
            line = self._held[newline + 1 : until]
            indent = len(line) - len(line.lstrip(" \t"))
            if indent < min(len(line), self._least_indent) and line[indent] not in "\r\n":
                return newline
            newline = self._held.find("\n", newline + 1, until)
        return None


def _overlap(text: str, word: str) -> int:
    """Characters at the text's end that may be the beginning of the word."""
    return next((size for size in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:size])), 0)
