"""Power and heat: is the machine on its battery, is its processor being slowed down, has it been asleep."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_S = 5.0
"""Seconds that an answer stands for."""
_HOT_FOR_S = 60.0
"""Chosen: a processor that was throttled is throttled again as soon as it computes."""
_ROOT = Path("/")


@dataclass(frozen=True)
class Power:
    """`is_hot`: the processor was slowed down by its heat within the last minute."""

    on_battery: bool = False
    is_hot: bool = False

    @property
    def is_short(self) -> bool:
        """Whether to do with less."""
        return self.on_battery or self.is_hot

    @property
    def word(self) -> str:
        """For a status line; empty when there is nothing to say."""
        return "hot" if self.is_hot else "battery" if self.on_battery else ""


class PowerWatch:
    """Looks at most every few seconds. When it is not `is_on`, power is never short."""

    def __init__(self, *, is_on: bool = True, root: Path = _ROOT) -> None:
        self.is_on = is_on
        self._root = root
        self._looked_at = float("-inf")
        self._power = Power()
        self._throttles: int | None = None
        self._hot_at = float("-inf")

    @property
    def now(self) -> Power:
        if not self.is_on:
            return Power()
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            throttles = self._count_throttles()
            if self._throttles is not None and throttles > self._throttles:
                self._hot_at = now
            self._throttles = throttles
            self._power = Power(on_battery(), now - self._hot_at < _HOT_FOR_S)
        return self._power

    def _count_throttles(self) -> int:
        """How often the processor's cores slowed down by heat since it started, as Linux counts; else 0."""
        count = 0
        for file in self._root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"):
            try:
                count += int(file.read_text())
            except (OSError, ValueError):
                continue
        return count


def on_battery() -> bool:
    """False too where it is unknown, and where there is no battery."""
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, ValueError, RuntimeError):
        return False
    return battery is not None and battery.power_plugged is False


def slept_s() -> float:
    """Seconds that the machine has been suspended since it started; 0 where the system does not say."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC) - time.clock_gettime(time.CLOCK_UPTIME_RAW)
    return 0.0
