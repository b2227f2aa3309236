"""The worker's life: killed, stopped or idle, nothing is lost but one request, and nothing is left behind."""

import asyncio
import io
import itertools
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import psutil
import pytest

from localcoder.engine.api import Finished, ReadProgress, Request, Sampling, Token
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.local import LocalEngine
from localcoder.engine.wire import Done, Load, Warm, decode_answer, encode
from localcoder.engine.worker import Worker, _Loaded
from localcoder.errors import LocalcoderError
from tests.conftest import ROOT
from tests.engine.test_local import CODE, children, generate

KILLS = 100


def kill(number: signal.Signals) -> None:
    for child in children():
        with suppress(psutil.NoSuchProcess):
            child.send_signal(number)


async def endless(engine: LocalEngine) -> Sampling:
    bias = tuple((i, -1e9) for i in (await engine.info()).end_ids)
    return Sampling(logit_bias=bias)


async def test_killed_at_every_stage_a_hundred_times(demo_model: Path) -> None:
    """Loading, idle, reading, writing; then the next request works, and no child, fd or task is left."""
    process = psutil.Process()
    engine = LocalEngine(demo_model)
    ids = (await engine.tokenize([CODE * 4]))[0]
    sampling = await endless(engine)
    signals = itertools.cycle([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGBUS])
    fds = tasks = 0
    for i, (stage, number) in enumerate(zip(itertools.cycle(["load", "idle", "read", "write"]), signals, strict=False)):
        if i == KILLS:
            break
        if stage == "load":
            kill(number)
            loading = asyncio.create_task(engine.tokenize(["x"]))
            await asyncio.sleep(0.05)
            kill(number)
            with pytest.raises(LocalcoderError) as caught:
                await loading
                await engine.tokenize(["x"])
            assert "\n" not in caught.value.what
        elif stage == "idle":
            await engine.tokenize(["x"])
            kill(number)
        else:
            wanted = ReadProgress if stage == "read" else Token
            with pytest.raises(LocalcoderError) as caught:
                async for event in engine.generate(Request(ids, 100_000, sampling)):
                    if isinstance(event, wanted):
                        kill(number)
            assert "\n" not in caught.value.what and caught.value.todo
        if i == 8:
            await asyncio.sleep(0.2)
            fds, tasks = process.num_fds(), len(asyncio.all_tasks())
    for _ in range(2):
        # A worker that was killed while it was idle may be noticed by the request that follows.
        try:
            _, finished = await generate(engine, Request(ids, 3, sampling))
            break
        except LocalcoderError:
            continue
    assert finished.stats.tokens_generated == 3
    await engine.close()
    await asyncio.sleep(0.2)
    assert not children()
    assert process.num_fds() <= fds
    assert len(asyncio.all_tasks()) <= tasks


async def test_a_stopped_worker_is_noticed_and_ended(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, hang_s=0.5)
    sampling = await endless(engine)
    ids = (await engine.tokenize([CODE]))[0]

    async def stop_what_generates() -> None:
        async for event in engine.generate(Request(ids, 100_000, sampling)):
            if isinstance(event, Token) and event.id >= 0:
                kill(signal.SIGSTOP)

    with pytest.raises(LocalcoderError, match="hung"):
        await asyncio.wait_for(stop_what_generates(), 10)
    _, finished = await generate(engine, Request(ids, 3))
    assert finished.stats.tokens_read == len(ids)
    await engine.close()
    assert not children()


async def test_an_idle_worker_is_unloaded_and_comes_back(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, idle_s=0.3)
    ids = (await engine.tokenize([CODE]))[0]
    await generate(engine, Request(ids, 3))
    await wait_until_gone(children())
    _, finished = await generate(engine, Request(ids, 3))
    assert finished.stats.tokens_read == len(ids)
    await engine.close()


async def test_a_model_that_was_loaded_and_never_asked_is_unloaded_too(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, idle_s=0.3)
    info = await engine.info()
    await wait_until_gone(children())
    assert await engine.info() == info
    assert not children(), "what is known needs no model in memory"
    assert await engine.tokenize(["x"])
    (child,) = children()
    await wait_until_gone([child])
    await engine.close()


async def test_idle_time_does_not_run_while_something_is_computed(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, idle_s=0.05)
    ids = (await engine.tokenize([CODE * 12]))[0]
    await engine.warm(ids)
    assert (await engine.estimate(ids)).unread <= 1
    sampling = await endless(engine)
    tokens, _ = await generate(engine, Request(ids, 200, sampling))
    assert len([t for t in tokens if t.id >= 0]) == 200
    await engine.close()


async def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 10)
    assert not alive


async def test_late_tokens_of_a_cancelled_request_reach_nobody(engine: LocalEngine) -> None:
    sampling = await endless(engine)
    ids = (await engine.tokenize([CODE]))[0]
    for _ in range(20):
        events = engine.generate(Request(ids, 100_000, sampling))
        async for event in events:
            if isinstance(event, Token):
                break
        await events.aclose()
        tokens, finished = await generate(engine, Request(ids, 2))
        assert len([t for t in tokens if t.id >= 0]) == finished.stats.tokens_generated <= 2


async def test_cancel_in_the_middle_of_reading(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE * 60]))[0]
    assert len(ids) > 3000
    loop = asyncio.get_running_loop()
    async for event in engine.generate(Request(ids, 5)):
        if isinstance(event, ReadProgress) and event.done < len(ids):
            asked = loop.time()
            await engine.cancel()
        if isinstance(event, Finished):
            assert event.reason == "cancelled"
            assert loop.time() - asked < 1.0
            assert event.stats.tokens_read < len(ids)


class _Reading:
    """In the place of all parts of a loaded model; its reading goes on until it is cancelled or let go."""

    def __init__(self) -> None:
        self.begun: queue.SimpleQueue[tuple[int, ...]] = queue.SimpleQueue()
        self.ended: queue.SimpleQueue[tuple[tuple[int, ...], bool]] = queue.SimpleQueue()
        self.let_go = threading.Event()
        self.prefill = self

    def warm(self, ids: tuple[int, ...], is_cancelled: Callable[[], bool], *, exact: bool) -> None:
        self.begun.put(ids)
        while not is_cancelled() and not self.let_go.wait(0.01):
            pass
        self.ended.put((ids, is_cancelled()))

    def abort(self) -> None:
        pass

    clear_abort = abort


def test_of_what_is_read_ahead_only_the_newest_is_read() -> None:
    """Neither what runs nor what waits: the second is not even begun."""
    reading, answers = _Reading(), io.BytesIO()
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    worker = Worker(cast(BinaryIO, iter(lines.get, None)), answers)
    worker._loaded = _Loaded(cast(Context, reading), cast(Generator, reading))
    threading.Thread(target=worker.run, daemon=True).start()
    lines.put(encode(1, Warm((1,), exact=True)))
    assert reading.begun.get(timeout=10) == (1,)
    for i in (2, 3):
        lines.put(encode(i, Warm((i,), exact=True)))
    assert reading.ended.get(timeout=10) == ((1,), True)
    assert reading.begun.get(timeout=10) == (3,)
    reading.let_go.set()
    assert reading.ended.get(timeout=10) == ((3,), False)
    said = sorted(map(decode_answer, answers.getvalue().splitlines()[:2]))
    assert said == [(1, Done()), (2, Done())], "all are answered"


async def test_reading_ahead_does_not_end_what_runs(engine: LocalEngine) -> None:
    sampling = await endless(engine)
    ids, ahead = await engine.tokenize([CODE, "# another\n" + CODE * 10])
    reads: list[asyncio.Task[None]] = []
    async for event in engine.generate(Request(ids, 100, sampling)):
        if isinstance(event, Token) and not reads:
            reads = [asyncio.create_task(engine.warm(ahead[:100])), asyncio.create_task(engine.warm(ahead))]
    assert isinstance(event, Finished) and event.reason == "length"
    await asyncio.gather(*reads)
    assert (await engine.estimate(ahead)).unread <= 1


async def test_a_lacking_instruction_is_named_before_native_code_runs(
    demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake /proc/cpuinfo through the one function that reads it, in the worker's own process."""
    from localcoder import hardware

    monkeypatch.setattr(hardware, "_cpu_flags", lambda: {"sse"})
    missing = hardware.cpu_features_missing()
    if not missing:
        pytest.skip("llama.cpp is built without any such instruction here")
    monkeypatch.setattr("localcoder.engine.worker.cpu_features_missing", lambda: missing)
    with pytest.raises(LocalcoderError, match=r"lacks .*avx") as caught:
        Worker(io.BytesIO(), io.BytesIO())._load(Load(str(demo_model), 1))
    assert "pip install --force-reinstall" in caught.value.todo


def test_a_worker_leaves_when_its_parent_is_killed(demo_model: Path) -> None:
    """Also when it has answers to give that nobody reads any more."""
    code = f"""
import asyncio, sys
from pathlib import Path
from localcoder.engine.api import Request
from localcoder.engine.local import LocalEngine

async def main():
    engine = LocalEngine(Path({str(demo_model)!r}))
    (ids,) = await engine.tokenize(["import os"])
    print("ready", flush=True)
    while True:
        async for _ in engine.generate(Request(ids, 50)):
            await engine.tokenize(["x"] * 50)

asyncio.run(main())
"""
    for delay in (0.0, 0.05, 0.2):
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
        assert parent.stdout and parent.stdout.readline() == b"ready\n"
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert workers
        time.sleep(delay)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive
