"""A median and the interval that it lies in, without any assumption on how the values are spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
ENOUGH = 6
"""The fewest values whose range holds the median with 95 %: one chance in 32 that all lie on the same side of it."""


@dataclass(frozen=True)
class MedianInterval:
    """With the probability `confidence`, the median of all values that could be measured is in [`low`, `high`]."""

    median: float
    low: float
    high: float
    confidence: float
    count: int

    @property
    def is_sure(self) -> bool:
        """Whether there were enough values for the confidence that was asked for."""
        return self.count >= ENOUGH


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> MedianInterval:
    """The median of independent values, and the narrowest interval between two of them that has this confidence.

    By order statistics: the j-th smallest and the j-th largest of n values enclose the median unless fewer than j of
    them fall on one side of it, and each falls on either side by the toss of a coin (Conover, "Practical Nonparametric
    Statistics", 3.2). With too few values it is their whole range, and `confidence` says what that is worth.
    """
    if not values:
        raise ValueError("no values")
    ordered, count = sorted(values), len(values)
    rank, covered = 1, _coverage(count, 1)
    while rank < (count + 1) // 2 and (next_covered := _coverage(count, rank + 1)) >= confidence:
        rank, covered = rank + 1, next_covered
    return MedianInterval(statistics.median(ordered), ordered[rank - 1], ordered[-rank], covered, count)


def _coverage(count: int, rank: int) -> float:
    """How likely the `rank`-th smallest and largest of so many values enclose the median."""
    return 1.0 - 2.0 * sum(math.comb(count, below) for below in range(rank)) / 2.0**count
