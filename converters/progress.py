"""How far long work is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` in `unit`s; `rate` of them a second since the stage began, 0 where it would say nothing.

    Stages are "download", "examine", "measure", "resume", "convert", "check", "inspect", "repair". `left_s` is how long
    the work will last yet, where that is known better than by the rate.
    """

    stage: str
    done: int
    total: int
    rate: float
    left_s: float | None = None
    unit: str = "bytes"
