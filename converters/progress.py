"""How far long work is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Stages are "download", "examine", "measure", "resume", "convert", "check", "inspect", "repair".

    `bytes_per_s` counts since the stage began, and is 0 where a rate would say nothing. `left_s` is how long the work
    will last yet, where that is known better than by bytes.
    """

    stage: str
    done_bytes: int
    total_bytes: int
    bytes_per_s: float
    left_s: float | None = None
