"""What a completion changes in a text, and what is to be said about it."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Finding:
    """Something to distrust in a text: where, a short name of the kind, and one line for the reader."""

    range: Range
    code: str
    message: str
