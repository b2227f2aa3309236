"""Layers on a GPU: what is computed there, what is kept, and how soon it ends. Skips where llama.cpp finds none.

A software Vulkan driver counts as one: GGML_VK_VISIBLE_DEVICES=0 has llama.cpp take a device that it passes over.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from localcoder import hardware
from localcoder.engine import cache
from localcoder.engine.api import Finished, ReadProgress, Request, Token
from localcoder.engine.context import Context
from localcoder.engine.local import LocalEngine
from localcoder.engine.prefill import LONGEST_ON_GPU_S, READ_SLICE, SMALLEST_ON_GPU, next_slice
from localcoder.engine.wire import Load

TEXT = inspect.getsource(cache)


@pytest.fixture(scope="module")
def _gpu() -> None:
    if not hardware.gpus():
        pytest.skip("needs a GPU that the installed llama.cpp can use, and finds none")


@pytest_asyncio.fixture
async def on_gpu(_gpu: None, demo_model: Path, tmp_path: Path) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(demo_model, n_threads=1, snapshots_dir=tmp_path)
    yield engine
    await engine.close()


async def run(engine: LocalEngine, request: Request) -> tuple[list[int], Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return [event.id for event in events if isinstance(event, Token)], finished


def test_batches_shrink_until_they_are_short_and_grow_again() -> None:
    def settled(token_s: float, fixed_s: float, size: int = READ_SLICE) -> int:
        for _ in range(20):
            size = next_slice(size, size, fixed_s + token_s * size)
        return size

    assert settled(0.0001, 0.01) == settled(0.0001, 0.01, SMALLEST_ON_GPU) == READ_SLICE
    size = settled(0.004, 0.02)
    assert SMALLEST_ON_GPU < size < READ_SLICE and 0.02 + 0.004 * size <= LONGEST_ON_GPU_S
    assert settled(0.1, 1.0) == SMALLEST_ON_GPU, "no smaller ones, where all take too long"
    # A last, small batch does not say that a full one would be short, but may say that it would be long.
    assert next_slice(16, 3, 0.001) == 16 and next_slice(32, 16, 0.2) == SMALLEST_ON_GPU


@pytest.mark.usefixtures("_gpu")
def test_logits_are_nearly_those_of_the_processor(demo_model: Path) -> None:
    values = []
    for layers in (0, -1):
        llama = Context(Load(str(demo_model), 1, n_gpu_layers=layers))
        assert llama.is_on_gpu == bool(layers)
        ids = llama.model.tokenize(TEXT)[:200]
        rows = []
        for start in range(0, len(ids), 40):
            llama.decode(ids[start : start + 40], start, outputs=40)
            rows += [llama.logits(i).copy() for i in range(40)]
        values.append(np.array(rows))
        llama.close()
    on_cpu, on_gpu = values
    assert np.abs(on_cpu - on_gpu).mean() < 0.05
    assert (on_cpu.argmax(1) == on_gpu.argmax(1)).mean() > 0.95


async def test_the_cache_on_a_gpu_is_reused_and_comes_back_from_disk(on_gpu: LocalEngine, tmp_path: Path) -> None:
    ids = (await on_gpu.tokenize([TEXT]))[0][:200]
    request = Request(ids, max_tokens=12)
    expected, cold = await run(on_gpu, request)
    again, warm = await run(on_gpu, replace(request, request_id=0))
    assert cold.stats.tokens_read == len(ids) and warm.stats.tokens_read == 1
    assert again == expected
    await on_gpu.close()
    second = LocalEngine(on_gpu.model, n_threads=1, snapshots_dir=tmp_path)
    try:
        restored, finished = await run(second, replace(request, request_id=0))
    finally:
        await second.close()
    assert restored == expected and finished.stats.tokens_read < len(ids) // 2


async def test_a_request_in_the_middle_of_reading_ends_with_the_batch(on_gpu: LocalEngine) -> None:
    """Within 150 ms, or, where a GPU is so slow that the smallest batch takes longer, with that batch."""
    ids = (await on_gpu.tokenize([TEXT * 4]))[0]
    for skipped, wait_s in enumerate((0.0, 0.03, 0.07)):
        request = Request(ids[skipped:], max_tokens=1)
        seen = [(time.perf_counter(), 0)]
        cancelled = 0.0
        async for event in on_gpu.generate(request):
            if isinstance(event, ReadProgress):
                seen.append((time.perf_counter(), event.done))
                if len(seen) == 4:
                    await asyncio.sleep(wait_s)
                    cancelled = time.perf_counter()
                    await on_gpu.cancel(request)
            else:
                assert isinstance(event, Finished) and event.reason == "cancelled"
        took = time.perf_counter() - cancelled
        (begin, before), (end, done) = seen[2:4]
        batch_s, size = end - begin, done - before
        assert batch_s < 2 * LONGEST_ON_GPU_S or size <= SMALLEST_ON_GPU
        # Twice: other programs compute, too.
        assert took < max(0.15, 2 * batch_s)
