"""What a completion changes in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localcoder.code.ranges import Range

__all__ = ["Edit", "Range"]


@dataclass(frozen=True)
class Edit:
    """Put `text` in the place of what stands at `range`."""

    range: Range
    text: str

    def applied_to(self, text: str) -> str:
        """The text with the edit made in it."""
        return text[: self.range.start] + self.text + text[self.range.end :]


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with all of them made in it; ranges are those of the text before any. Raises ValueError for overlaps.

    Edits at one place are made in their order.
    """
    parts, done = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.range.start, edit.range.end)):
        if edit.range.start < done:
            raise ValueError(f"{edit.range} overlaps the edit before it")
        parts += [text[done : edit.range.start], edit.text]
        done = edit.range.end
    if done > len(text):
        raise ValueError(f"{done} is behind the end of the text")
    return "".join((*parts, text[done:]))
