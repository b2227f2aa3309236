"""Notes in the journals which tensors are whole, in a thread of its own: putting bytes on a disk takes its time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from converters.errors import ConvertError
from converters.unfinished import UnfinishedFile

_PAUSE = 4.0
"""Pauses between two syncs, in times that the last one took. Chosen: at most a fifth of the time goes to syncing, which
a single spinning disk would feel, and nothing is left waiting where syncing costs nothing."""

_Checksums = dict[UnfinishedFile, dict[str, str]]


class Vouching:
    """For one thread, which calls `advance` now and then, and `finish` or `abandon` at the end."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="vouch")
        self._running: Future[float] | None = None
        self._made: _Checksums = {}
        self._not_before = 0.0

    def add(self, file: UnfinishedFile, checksums: Mapping[str, str]) -> None:
        """These tensors (name → checksum) are written."""
        self._made.setdefault(file, {}).update(checksums)

    def advance(self) -> None:
        """Start to sync and note what was added, unless that is going on, or was just now; raises what it raised."""
        if self._running is not None and self._running.done():
            running, self._running = self._running, None
            self._not_before = time.monotonic() + _PAUSE * running.result()
        if self._running is None and self._made and time.monotonic() >= self._not_before:
            made, self._made = self._made, {}
            self._running = self._executor.submit(_note, made)

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


def _note(made: _Checksums) -> float:
    start = time.monotonic()
    for file, checksums in made.items():
        file.note(checksums)
    return time.monotonic() - start
