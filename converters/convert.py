"""Checkpoint in, GGUF files out: one pass over the tensors, whatever the number of outputs.

Rows go in blocks to threads, and a thread reads, quantizes and writes its block: all three release Python's lock, so
they overlap, and memory is a few megabytes a thread whatever the model's size.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from converters import ggml
from converters.blocks import Block, Job, blocks_of
from converters.errors import ConvertError
from converters.output import make_directory, require_space, sync_directory
from converters.plan import ConversionPlan, PlannedTensor
from converters.progress import Progress
from converters.rows import Reader, ShardSource
from converters.tally import Running, Tally
from converters.unfinished import UnfinishedFile, begin, check_claims

GOES_ON = "What is done is kept: the same command goes on from there."

_EVENT_S = 0.1
"""Seconds between two events at the end. Chosen: a bar looks smooth."""

_QUEUED_PER_THREAD = 3
"""Blocks handed out ahead. Chosen: a thread always finds the next one, and a stop has little to wait for."""


@dataclass(frozen=True)
class Written:
    """A finished file."""

    path: Path
    type: str
    size_bytes: int
    sha256: str


def run(plan: ConversionPlan, shards: ShardSource, threads: int = 0) -> Generator[Progress, None, tuple[Written, ...]]:
    """Convert; yields progress a few times a second and returns the files. `threads` 0 means one for each core.

    Closing the generator, or an exception in its consumer, stops the work. The tensors that were finished by then stay
    in hidden files (`unfinished.left_over`), as they do when the process is killed, and a run of the same plan goes on
    from them; the files come out the same. ConvertError for a full disk, after which a run goes on too, and for what
    leaves nothing behind: values that are not finite, values too large for F16, a file that changes while it is read.
    """
    if not plan.outputs:
        raise ConvertError("Nothing to convert to.", "Give a type with -t.", exit_code=2)
    threads = threads or cores()
    folders = {planned.path.parent for planned in plan.files}
    for folder in folders:
        make_directory(folder)
    require_space([*((planned.path, planned.size_bytes) for planned in plan.files), *shards.space()])
    for type_name in {tensor.type for planned in plan.files for tensor in planned.tensors}:
        ggml.prepare(type_name)
    files = begin(plan, shards)
    try:
        yield from check_claims(files, threads)
        yield from _convert(plan, files, shards, threads)
        yield from _hash(files)
        for file in files:
            # All are on the disk before the first has its name, so that an interruption finds all or none finished.
            file.pending.sync()
        digests = [file.commit() for file in files]
        for folder in folders:
            sync_directory(folder)
    except (ConvertError, AssertionError) as error:
        if not isinstance(error, ConvertError) or not error.is_passing:
            for file in files:
                file.discard()
        elif any(file.is_worth_keeping for file in files):
            todo = f"{error.todo} {GOES_ON}".lstrip()
            raise ConvertError(error.what, todo, exit_code=error.exit_code, is_passing=True) from None
        raise
    finally:
        for file in files:
            file.leave()
    types = [output.type for output in plan.outputs for _ in output.files]
    return tuple(
        Written(planned.path, type_name, planned.size_bytes, digest)
        for planned, type_name, digest in zip(plan.files, types, digests, strict=True)
    )


def _jobs(files: Sequence[UnfinishedFile]) -> dict[str, list[Job]]:
    """Shard → those of its tensors that are to be made, in the order of the first output."""
    targets: dict[str, list[tuple[PlannedTensor, UnfinishedFile]]] = {}
    shards: dict[str, list[Job]] = {}
    for file in files:
        for tensor in file.planned.tensors:
            shards.setdefault(tensor.source.shard, [])
            if tensor.name not in file.whole:
                targets.setdefault(tensor.source.name, []).append((tensor, file))
    for places in targets.values():
        source = places[0][0].source
        shards[source.shard].append(Job(source, tuple(places)))
    return dict(sorted(shards.items()))


def _convert(
    plan: ConversionPlan, files: Sequence[UnfinishedFile], shards: ShardSource, threads: int
) -> Iterator[Progress]:
    jobs = _jobs(files)
    sources = {tensor.source.name: tensor.source for planned in plan.files for tensor in planned.tensors}
    total = sum(source.size_bytes for source in sources.values())
    tally = Tally(jobs, files, total, with_importance=bool(plan.importance))
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="convert") as executor:
            for shard, listed in jobs.items():
                if not listed and not shards.fetches_all:
                    continue
                with tally.fetching(shard):
                    yield from shards.fetch(shard)
                with shards.open(shard) as path, Reader(path) as reader:
                    stop = threading.Event()
                    blocks = (b for job in listed for b in blocks_of(job, plan.importance, reader, stop))
                    yield from _handle(blocks, stop, executor, _QUEUED_PER_THREAD * threads, tally)
                yield tally.event()
        tally.finish()
    except BaseException:
        tally.abandon()
        raise


def _handle(
    blocks: Iterator[Block],
    stop: threading.Event,
    executor: ThreadPoolExecutor,
    queued: int,
    tally: Tally,
) -> Iterator[Progress]:
    """Hand blocks to the threads, never more than `queued` at a time, until all are done."""
    waiting: deque[Running] = deque()
    try:
        for block in blocks:
            waiting.append(Running(block, executor.submit(block)))
            while len(waiting) > queued:
                wait([running.future for running in waiting], return_when=FIRST_COMPLETED)
                tally.collect(waiting)
                tally.hash_along()
                if tally.is_event_due:
                    yield tally.event()
        while waiting:
            wait([running.future for running in waiting], timeout=_EVENT_S, return_when=FIRST_COMPLETED)
            tally.collect(waiting)
            yield tally.event()
    except BaseException:
        # No thread may be left reading when the shard is closed, nor writing when the output is.
        stop.set()
        wait([running.future for running in waiting])
        tally.collect_what_succeeded(waiting)
        raise


def _hash(files: Sequence[UnfinishedFile]) -> Iterator[Progress]:
    """Hash what was not hashed while it was written."""
    pending = [file.pending for file in files]
    total, start, shown = sum(file.size_bytes for file in pending), time.monotonic(), 0.0
    first = sum(file.hashed_bytes for file in pending)
    while any(file.hash_along() for file in pending):
        if (now := time.monotonic()) - shown > _EVENT_S:
            shown, done = now, sum(file.hashed_bytes for file in pending)
            yield Progress("check", done, total, (done - first) / max(now - start, 1e-9))


def cores() -> int:
    """How many threads can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
