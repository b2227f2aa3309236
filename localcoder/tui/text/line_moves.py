"""Whole lines are doubled, moved or deleted: what the text then is, and where the selection goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rearranged:
    """Lines `first` to `last` become `lines`; the selection goes `by` rows further down."""

    first: int
    last: int
    lines: tuple[str, ...]
    by: int


def doubled(lines: Sequence[str], first: int, last: int) -> Rearranged:
    """The lines twice; the second ones are selected as the first ones were."""
    chosen = lines[first : last + 1]
    return Rearranged(first, last, (*chosen, *chosen), len(chosen))


def moved(lines: Sequence[str], first: int, last: int, by: int) -> Rearranged | None:
    """The lines one further up (-1) or down (1); None at the text's ends.

    A newline that ends the text stays its end.
    """
    bottom = len(lines) - (1 if len(lines) > 1 and not lines[-1] else 0) - 1
    chosen = lines[first : last + 1]
    if by < 0:
        return Rearranged(first - 1, last, (*chosen, lines[first - 1]), -1) if first > 0 and last <= bottom else None
    return Rearranged(first, last + 1, (lines[last + 1], *chosen), 1) if last < bottom else None


def deleted(lines: Sequence[str], first: int, last: int) -> Rearranged:
    """Without the lines; the selection goes to what is below them, or above at the end."""
    if last + 1 < len(lines):
        return Rearranged(first, last + 1, (lines[last + 1],), 0)
    if first:
        return Rearranged(first - 1, last, (lines[first - 1],), -1)
    return Rearranged(first, last, ("",), 0)
