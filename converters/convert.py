"""Checkpoint in, GGUF files out: one pass over the tensors, whatever the number of outputs.

Rows go in blocks to threads, and a thread reads, quantizes and writes its block: all three release Python's lock, so
they overlap, and memory is a few megabytes a thread whatever the model's size.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converters import ggml
from converters.checkpoint import ITEM_BYTES, SourceTensor
from converters.errors import ConvertError
from converters.imatrix import Columns, columns_of
from converters.output import PendingFile, make_directory, require_space, sync_directory
from converters.plan import ConversionPlan, PlannedFile, PlannedTensor
from converters.progress import Progress
from converters.rows import Reader, ShardSource, read_rows, row_blocks, scratch

_EVENT_S = 0.1
"""Seconds between two events. Chosen: a bar looks smooth, and drawing it costs nothing beside the work."""

_QUEUED_PER_THREAD = 3
"""Blocks handed out ahead. Chosen: a thread always finds the next one, and a stop has little to wait for."""

_MAX_F16 = 65504.0
"""The largest finite value of IEEE 754's binary16."""


@dataclass(frozen=True)
class Written:
    """A finished file."""

    path: Path
    type: str
    size_bytes: int
    sha256: str


def run(plan: ConversionPlan, shards: ShardSource, threads: int = 0) -> Generator[Progress, None, tuple[Written, ...]]:
    """Convert; yields progress a few times a second and returns the files. `threads` 0 means one for each core.

    Closing the generator, or an exception in its consumer, stops the work and leaves no file behind. ConvertError for a
    full disk, values that are not finite, values too large for F16, a file that changes while it is read.
    """
    if not plan.outputs:
        raise ConvertError("Nothing to convert to.", "Give a type with -t.", exit_code=2)
    for folder in {planned.path.parent for planned in plan.files}:
        make_directory(folder)
    require_space([*((planned.path, planned.size_bytes) for planned in plan.files), *shards.space()])
    for type_name in {tensor.type for planned in plan.files for tensor in planned.tensors}:
        ggml.prepare(type_name)
    pending: list[PendingFile] = []
    try:
        for planned in plan.files:
            pending.append(_begin(planned))
        yield from _convert(_jobs(plan, pending), plan.importance, pending, shards, threads or cores())
        yield from _hash(pending)
        digests = [file.commit() for file in pending]
        for folder in {planned.path.parent for planned in plan.files}:
            sync_directory(folder)
    finally:
        for file in pending:
            file.discard()
    types = [output.type for output in plan.outputs for _ in output.files]
    return tuple(Written(f.path, t, f.size_bytes, d) for f, t, d in zip(pending, types, digests, strict=True))


def _begin(planned: PlannedFile) -> PendingFile:
    file = PendingFile(planned.path, planned.size_bytes)
    try:
        file.write_at(0, planned.header)
    except BaseException:
        file.discard()
        raise
    starts = [*(tensor.offset for tensor in planned.tensors[1:]), planned.size_bytes]
    for tensor, following in zip(planned.tensors, starts, strict=True):
        file.leave_zero(tensor.offset + tensor.size_bytes, following)
    return file


@dataclass(frozen=True)
class _Job:
    """One source tensor and all places it goes to."""

    source: SourceTensor
    targets: tuple[tuple[PlannedTensor, PendingFile], ...]


def _jobs(plan: ConversionPlan, pending: Sequence[PendingFile]) -> dict[str, list[_Job]]:
    """Shard → its tensors, in the order of the first output."""
    targets: dict[str, list[tuple[PlannedTensor, PendingFile]]] = {}
    for planned, file in zip(plan.files, pending, strict=True):
        for tensor in planned.tensors:
            targets.setdefault(tensor.source.name, []).append((tensor, file))
    shards: dict[str, list[_Job]] = {}
    for places in targets.values():
        source = places[0][0].source
        shards.setdefault(source.shard, []).append(_Job(source, tuple(places)))
    return dict(sorted(shards.items()))


def _convert(
    jobs: Mapping[str, Sequence[_Job]],
    importance: Mapping[str, Columns],
    pending: Sequence[PendingFile],
    shards: ShardSource,
    threads: int,
) -> Iterator[Progress]:
    total = sum(job.source.size_bytes for shard in jobs.values() for job in shard)
    done, start, shown = 0, time.monotonic(), 0.0
    stop = threading.Event()
    with ThreadPoolExecutor(threads, thread_name_prefix="convert") as executor:
        for shard, tensors in jobs.items():
            yield from shards.fetch(shard)
            with shards.open(shard) as path, Reader(path) as reader:
                waiting: deque[Future[int]] = deque()
                try:
                    for block in (b for job in tensors for b in _blocks(job, importance, reader, stop)):
                        waiting.append(executor.submit(block))
                        while len(waiting) > _QUEUED_PER_THREAD * threads:
                            wait(waiting, return_when=FIRST_COMPLETED)
                            done += _collect(waiting)
                            for file in pending:
                                file.hash_along()
                            if (now := time.monotonic()) - shown > _EVENT_S:
                                shown = now
                                yield Progress("convert", done, total, done / max(now - start, 1e-9))
                    while waiting:
                        wait(waiting, timeout=_EVENT_S, return_when=FIRST_COMPLETED)
                        done += _collect(waiting)
                        yield Progress("convert", done, total, done / max(time.monotonic() - start, 1e-9))
                except BaseException:
                    # No thread may be left reading when the shard is closed, nor writing when the output is removed.
                    stop.set()
                    wait(waiting)
                    raise
            yield Progress("convert", done, total, done / max(time.monotonic() - start, 1e-9))


def _collect(waiting: deque[Future[int]]) -> int:
    """Take the finished futures out and sum the bytes they handled; raises what they raised."""
    finished = [future for future in waiting if future.done()]
    for future in finished:
        waiting.remove(future)
    return sum(future.result() for future in finished)


class _Block:
    """Some rows of one tensor: read, check, quantize for each target, write."""

    def __init__(
        self, job: _Job, first_row: int, rows: int, weights: Columns | None, reader: Reader, stop: threading.Event
    ) -> None:
        self._job, self._first_row, self._rows = job, first_row, rows
        self._weights, self._reader, self._stop = weights, reader, stop

    def __call__(self) -> int:
        if self._stop.is_set():
            return 0
        source, columns = self._job.source, self._job.source.shape[-1]
        values = read_rows(self._reader, source, self._first_row, self._rows)
        made: dict[str, npt.NDArray[np.uint8]] = {}
        for tensor, file in self._job.targets:
            if self._stop.is_set():
                return 0
            if tensor.type not in made:
                made[tensor.type] = _quantize(tensor, values, self._weights)
            file.write_at(
                tensor.offset + self._first_row * ggml.row_bytes(tensor.type, columns), made[tensor.type].data
            )
        return self._rows * columns * ITEM_BYTES[source.dtype]


def _blocks(job: _Job, importance: Mapping[str, Columns], reader: Reader, stop: threading.Event) -> Iterator[_Block]:
    weights = columns_of(importance, job.targets[0][0].name, job.source.shape[-1])
    for first, rows in row_blocks(job.source.shape):
        yield _Block(job, first, rows, weights, reader, stop)


def _quantize(tensor: PlannedTensor, values: npt.NDArray[np.float32], weights: Columns | None) -> npt.NDArray[np.uint8]:
    size = values.shape[0] * ggml.row_bytes(tensor.type, values.shape[1])
    if tensor.type == "F32":
        return values.reshape(-1).view(np.uint8)
    if tensor.type == "F16" and max(values.max(), -values.min()) > _MAX_F16:
        raise ConvertError(
            f"{tensor.source.name} has values that F16 cannot hold (beyond ±65,504).", "Convert to BF16 or F32 instead."
        )
    out = scratch(tensor.type, size)
    if ggml.quantize(tensor.type, values, out, weights) != size or not ggml.is_valid(tensor.type, out):
        raise ConvertError(f"{tensor.source.name} cannot be stored as {tensor.type}.", "Choose another type with -t.")
    return out


def _hash(pending: Sequence[PendingFile]) -> Iterator[Progress]:
    """Hash what was not hashed while it was written."""
    total, start, shown = sum(file.size_bytes for file in pending), time.monotonic(), 0.0
    first = sum(file.hashed_bytes for file in pending)
    while any(file.hash_along() for file in pending):
        if (now := time.monotonic()) - shown > _EVENT_S:
            shown, done = now, sum(file.hashed_bytes for file in pending)
            yield Progress("check", done, total, (done - first) / max(now - start, 1e-9))


def cores() -> int:
    """How many threads can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
