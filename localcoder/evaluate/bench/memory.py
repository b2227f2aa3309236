"""How much memory a process has: now, and at most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

_EVERY_S = 0.1
"""Seconds between two looks, where the system does not keep the peak itself."""


class MemoryWatch:
    """Resident bytes of a process, the pages of the model's file that it has mapped among them."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.resident_bytes = 0
        self.peak_bytes = 0

    def look(self) -> None:
        """Note what it has now; what a process had that is gone stays."""
        with suppress(psutil.Error, OSError, ValueError):
            found = psutil.Process(self._pid).memory_info()
            peak = getattr(found, "peak_wset", 0) or _high_water_mark(self._pid)
            self.resident_bytes = found.rss
            self.peak_bytes = max(self.peak_bytes, found.rss, peak)


@asynccontextmanager
async def watching(pid: int) -> AsyncIterator[MemoryWatch]:
    """Looks at a process from time to time."""
    watch = MemoryWatch(pid)

    async def look() -> None:
        while True:
            watch.look()
            await asyncio.sleep(_EVERY_S)

    task = asyncio.create_task(look())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait({task})


def _high_water_mark(pid: int) -> int:
    """Linux's own count of the most that was ever resident; 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
