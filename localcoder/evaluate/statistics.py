"""Medians, shares and means with the intervals that they lie in, without assumptions on how the values are spread."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
ENOUGH = 6
"""The fewest values whose range holds the median with 95 %: one chance in 32 that all lie on the same side of it."""

_DRAWS = 2000


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


@dataclass(frozen=True)
class Estimate:
    """A value that `count` independent cases give, and the interval that it lies in with 95 %."""

    value: float
    low: float
    high: float
    count: int


def share_estimate(successes: int, count: int) -> Estimate | None:
    """How often something happens, from so many of so many cases; None without any.

    Wilson's score interval, which is right near 0 and 1 and for few cases too (Brown, Cai and DasGupta 2001, "Interval
    Estimation for a Binomial Proportion").
    """
    if not count:
        return None
    z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, spread = successes / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return Estimate(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), count)


def ratio_estimate(above: Sequence[float], below: Sequence[float] | None = None, *, seed: int = 0) -> Estimate | None:
    """A sum over another one, case by case, or over the number of cases; None where the lower sum is 0.

    The interval is the bootstrap's, by percentiles: cases are drawn again as often as there are.
    """
    pairs = Counter(zip(above, below if below is not None else (1.0,) * len(above), strict=True))
    total = sum(lower * times for (_, lower), times in pairs.items())
    if not total:
        return None
    import numpy as np

    values, times = np.array(list(pairs), float), np.array(list(pairs.values()), float)
    draws = np.random.default_rng(seed).multinomial(len(above), times / times.sum(), _DRAWS)
    drawn = draws @ values
    ratios = drawn[:, 0] / np.maximum(drawn[:, 1], 1e-9)
    low, high = np.percentile(ratios, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return Estimate(sum(above) / total, float(low), float(high), len(above))
