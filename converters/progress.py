"""How far long work is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` in `unit`s; `rate` of them a second since the stage began, 0 where it would say nothing.

    Stages are "download", "examine", "measure", "convert", "check", "inspect", "repair".
    """

    stage: str
    done: int
    total: int
    rate: float
    unit: str = "bytes"
