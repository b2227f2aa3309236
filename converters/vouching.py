"""Notes in the journals which tensors are whole, in a thread of its own: putting bytes on a disk takes its time."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from converters.errors import ConvertError
from converters.unfinished import UnfinishedFile

_PAUSE = 4.0
"""Pauses between two syncs, in times that the last one took. Chosen: at most a fifth of the time goes to syncing, which
a single spinning disk would feel, and nothing is left waiting where syncing costs nothing."""

_LONG_S = 0.5
"""A sync that takes so long says that the disk is what the work waits for: then a pause gains nothing, and its speed is
what decides when the work ends. Chosen: many times what a tensor takes where the disk keeps up."""


@dataclass
class _Made:
    """What is to be noted of one file: name → checksum, and how many bytes that is."""

    checksums: dict[str, str] = field(default_factory=dict)
    size_bytes: int = 0


class Vouching:
    """For one thread, which calls `advance` now and then, and `finish` or `abandon` at the end.

    `planned_bytes` is what will be noted in all.
    """

    def __init__(self, planned_bytes: int) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="vouch")
        self._running: Future[tuple[int, float]] | None = None
        self._made: dict[UnfinishedFile, _Made] = {}
        self._not_before = self._running_since = 0.0
        self._left_bytes, self._begun = planned_bytes, time.monotonic()
        self._long_bytes, self._long_s = 0, 0.0

    def add(self, file: UnfinishedFile, name: str, checksum: str, size_bytes: int) -> None:
        """This tensor is written."""
        made = self._made.setdefault(file, _Made())
        made.checksums[name] = checksum
        made.size_bytes += size_bytes

    def advance(self) -> None:
        """Start to sync and note what was added, unless that is going on, or was just now; raises what it raised."""
        now = time.monotonic()
        if self._running is not None and self._running.done():
            running, self._running = self._running, None
            size_bytes, seconds = running.result()
            self._left_bytes -= size_bytes
            if seconds < _LONG_S:
                self._not_before = now + _PAUSE * seconds
            else:
                self._long_bytes, self._long_s = self._long_bytes + size_bytes, self._long_s + seconds
        if self._running is None and self._made and now >= self._not_before:
            made, self._made = self._made, {}
            self._running, self._running_since = self._executor.submit(_note, made), now

    def least_left_s(self) -> float:
        """How long the disk needs at least for what is not on it yet; 0 as long as little of the time went to it.

        A single long sync may be another program's doing.
        """
        now = time.monotonic()
        if not self._long_bytes or self._long_s < (now - self._begun) / 2:
            return 0.0
        syncing_s = now - self._running_since if self._running is not None else 0.0
        return max(0.0, self._left_bytes * self._long_s / self._long_bytes - syncing_s)

    def finish(self) -> None:
        """Sync and note all that was added; raises what that raised."""
        try:
            if self._running is not None:
                self._running.result()
            _note(self._made)
        finally:
            self._executor.shutdown()

    def abandon(self) -> None:
        """The same after a failure, as far as it goes."""
        with contextlib.suppress(ConvertError):
            self.finish()


def _note(made: dict[UnfinishedFile, _Made]) -> tuple[int, float]:
    """Returns how many bytes it was and the seconds that it took."""
    start = time.monotonic()
    for file, of_file in made.items():
        file.note(of_file.checksums)
    return sum(of_file.size_bytes for of_file in made.values()), time.monotonic() - start
