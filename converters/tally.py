"""What a conversion has done so far: which tensors are whole, how many bytes were handled, how long the rest takes."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from converters.blocks import Block, Handled, Job
from converters.progress import Progress
from converters.time_left import HASH, TimeLeft, try_hash, try_types
from converters.unfinished import UnfinishedFile
from converters.vouching import Vouching

_EVENT_S = 0.1
"""Seconds between two events. Chosen: a bar looks smooth, and drawing it costs nothing beside the work."""


@dataclass(frozen=True, eq=False)
class Running:
    """A block that was handed to a thread."""

    block: Block
    future: Future[Handled | None]


class Tally:
    """For the thread that hands out blocks. `jobs` is what is to be done, by shard, of `total_bytes` in all."""

    def __init__(
        self,
        jobs: Mapping[str, Sequence[Job]],
        files: Sequence[UnfinishedFile],
        total_bytes: int,
        *,
        with_importance: bool,
    ) -> None:
        self._files = files
        planned: Counter[str] = Counter()
        for job in (job for shard in jobs.values() for job in shard):
            planned.update(dict.fromkeys(job.kinds, job.values))
        types = dict.fromkeys(tensor.type for shard in jobs.values() for job in shard for tensor, _ in job.targets)
        # Hashing may wait long for a file's first tensor, so what was tried counts as its first bytes.
        tried_bytes, tried_s = try_hash()
        planned[HASH] = tried_bytes + sum(file.planned.size_bytes for file in files)
        self._time_left = TimeLeft(planned, try_types(types, with_importance=with_importance))
        self._time_left.add(HASH, tried_bytes, tried_s)
        self._to_fetch = {shard: sum(job.source.size_bytes for job in listed) for shard, listed in jobs.items()}
        self._total = total_bytes
        # What an earlier run did counts as done, and not as this one's speed.
        self._taken_over = total_bytes - sum(self._to_fetch.values())
        self._handled = self._fetched = 0
        self._begun, self._shown, self._fetching_s = time.monotonic(), 0.0, 0.0
        self._vouching = Vouching(
            sum(tensor.size_bytes for listed in jobs.values() for job in listed for tensor, _ in job.targets)
        )

    @contextlib.contextmanager
    def fetching(self, shard: str) -> Iterator[None]:
        """While a shard is fetched nothing is converted: that time is counted by itself."""
        start = time.monotonic()
        yield
        self._fetching_s += time.monotonic() - start
        self._fetched += self._to_fetch.pop(shard)

    def collect(self, waiting: deque[Running]) -> None:
        """Take the finished blocks out, and have the tensors vouched for that are whole; raises what a block raised."""
        for running in [running for running in waiting if running.future.done()]:
            waiting.remove(running)
            self._count(running.block, running.future.result())
        self._vouching.advance()

    def collect_what_succeeded(self, waiting: deque[Running]) -> None:
        """The same after a failure, when all blocks have ended."""
        for running in waiting:
            if running.future.exception() is None:
                self._count(running.block, running.future.result())

    def hash_along(self) -> None:
        """Hash some of what is written of each file."""
        before, start = sum(file.pending.hashed_bytes for file in self._files), time.perf_counter()
        for file in self._files:
            file.pending.hash_along()
        hashed = sum(file.pending.hashed_bytes for file in self._files) - before
        if hashed:
            self._time_left.add(HASH, hashed, time.perf_counter() - start)

    def finish(self) -> None:
        """Have the last whole tensors vouched for."""
        self._vouching.finish()

    def abandon(self) -> None:
        """The same after a failure, as far as it goes."""
        self._vouching.abandon()

    @property
    def is_event_due(self) -> bool:
        return time.monotonic() - self._shown > _EVENT_S

    def event(self) -> Progress:
        self._shown = time.monotonic()
        worked_s = max(self._shown - self._begun - self._fetching_s, 1e-9)
        left_s = self._time_left.left_s(worked_s)
        if left_s is not None:
            left_s = max(left_s, self._vouching.least_left_s())
        if left_s is not None and self._fetched:
            left_s += sum(self._to_fetch.values()) * self._fetching_s / self._fetched
        return Progress("convert", self._taken_over + self._handled, self._total, self._handled / worked_s, left_s)

    def _count(self, block: Block, handled: Handled | None) -> None:
        if handled is None:
            return
        self._handled += handled.source_bytes
        for kind, seconds in handled.seconds.items():
            self._time_left.add(kind, handled.values, seconds)
        making = block.making
        making.digests[block.number] = handled.digests
        if making.is_whole:
            for tensor, file in making.job.targets:
                self._vouching.add(file, tensor.name, making.checksum(tensor.type), tensor.size_bytes)
