"""What a completion changes in a text, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """From the character `start` of a text to before the character `end`, counted from 0; empty if they are equal."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"no range: {self.start} to {self.end}")


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


@dataclass(frozen=True)
class Finding:
    """Something to distrust in a text: where, a short name of the kind, and one line for the reader."""

    range: Range
    code: str
    message: str
