"""Texts with any line ends as texts with `\\n` alone, and back."""

from __future__ import annotations

import re
from bisect import bisect_left

from localcoder.completion.edits import Edit, Range


class Newlines:
    """`normal` is the text with `\\n` for each `\\r\\n`. A text without lines gets those of `like`."""

    def __init__(self, text: str, *, like: Newlines | None = None) -> None:
        self.text = text
        self.normal = text.replace("\r\n", "\n")
        # The k-th pair stands k characters further on in the text.
        self._pairs = [match.start() - k for k, match in enumerate(re.finditer("\r\n", text))]
        self._newline = "\r\n" if 2 * len(self._pairs) > self.normal.count("\n") else "\n"
        if like is not None and "\n" not in text:
            self._newline = like._newline

    def inward(self, of_text: Range) -> Range:
        """Of the normal text; an end between the two characters of a pair goes before it."""
        return Range(self._inward(of_text.start), self._inward(of_text.end))

    def outward(self, edit: Edit) -> Edit:
        """Of the text, with the line ends that most of its lines have."""
        place = Range(self._outward(edit.range.start), self._outward(edit.range.end))
        return Edit(place, edit.text.replace("\n", self._newline))

    def _inward(self, offset: int) -> int:
        if self.text[max(offset - 1, 0) : offset + 1] == "\r\n":
            offset -= 1
        return offset - self.text.count("\r\n", 0, offset)

    def _outward(self, offset: int) -> int:
        return offset + bisect_left(self._pairs, offset)
