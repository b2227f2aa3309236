"""A long generation pauses for requests that somebody waits for, and goes on where it was."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from localcoder.engine import cache, prefill
from localcoder.engine.api import Finished, ReadProgress, Request, Sampling, Token
from localcoder.engine.local import LocalEngine

LONG = inspect.getsource(prefill)
TEXTS = [inspect.getsource(cache)[start : start + 400] for start in range(0, 4000, 500)]


@pytest_asyncio.fixture
async def engine(demo_model: Path) -> AsyncIterator[LocalEngine]:
    """With one thread: how the attention of one token is split between threads rounds differently."""
    engine = LocalEngine(demo_model, n_threads=1)
    yield engine
    await engine.close()


async def endless(engine: LocalEngine, **sampling: float | int) -> Sampling:
    bias = tuple((i, -1e9) for i in (await engine.info()).end_ids)
    return Sampling(logit_bias=bias, **sampling)  # type: ignore[arg-type]


async def run(engine: LocalEngine, request: Request) -> tuple[list[int], Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return [event.id for event in events if isinstance(event, Token)], finished


@pytest.mark.parametrize(("temperature", "pauses"), [(0.0, 100), (1.0, 1)])
async def test_it_says_what_it_would_have_said(engine: LocalEngine, temperature: float, pauses: int) -> None:
    """Drawn at random it shows that the draws go on; after many pauses the cells lie elsewhere, which is rounded
    differently, and only the likeliest token is sure to be the same."""
    sampling = await endless(engine, temperature=temperature, seed=7)
    ids, *others = await engine.tokenize([LONG[:300], *TEXTS])
    assert len(ids) + 120 < (await engine.info()).window
    wanted, _ = await run(engine, Request(ids, 120, sampling, drafts=False))
    long = asyncio.ensure_future(run(engine, Request(ids, 120, sampling, drafts=False, gives_way=True)))
    answered = 0
    while not long.done() and answered < pauses:
        await asyncio.sleep(0.02)
        _, finished = await run(engine, Request(others[answered % len(others)], 3))
        assert finished.reason != "cancelled"
        answered += 1
    said, finished = await long
    assert finished.reason == "length" and answered >= min(pauses, 5)
    assert said == wanted


async def test_while_it_reads_too(engine: LocalEngine) -> None:
    long, short = await engine.tokenize([LONG * 3, TEXTS[0]])
    events, answered = [], 0
    async for event in engine.generate(Request(long, 3, await endless(engine), gives_way=True)):
        events.append(event)
        if isinstance(event, ReadProgress) and event.done < len(long) and answered < 5:
            _, finished = await run(engine, Request(short, 2))
            assert finished.reason != "cancelled"
            answered += 1
    assert answered == 5 and isinstance(events[-1], Finished) and events[-1].reason == "length"
    assert sum(isinstance(event, Token) for event in events) == 3
    assert events[-1].stats.tokens_read < 2 * len(long), "what was read before a pause is not read again"


async def test_somebody_who_waits_is_answered_first(engine: LocalEngine) -> None:
    sampling = await endless(engine)
    ids, short = await engine.tokenize([LONG[:700], TEXTS[0]])
    await run(engine, Request(short, 1))
    long = asyncio.ensure_future(run(engine, Request(ids, 4000, sampling, gives_way=True)))
    await asyncio.sleep(0.3)
    begin = time.perf_counter()
    await run(engine, Request(short, 1))
    assert time.perf_counter() - begin < 1 and not long.done()
    ahead = asyncio.ensure_future(engine.warm(short))
    await asyncio.sleep(0.05)
    ahead.cancel()
    begin = time.perf_counter()
    with pytest.raises(asyncio.CancelledError):
        await ahead
    assert time.perf_counter() - begin < 0.5, "it does not wait for the generation"
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    begin = time.perf_counter()
    await run(engine, Request(ids[:50], 1))
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("how", ["by its number", "all", "while it pauses"])
async def test_it_can_be_cancelled(engine: LocalEngine, how: str) -> None:
    sampling = await endless(engine)
    ids, short = await engine.tokenize([LONG[:700], TEXTS[0]])
    request = Request(ids, 100_000, sampling, gives_way=True)
    long = asyncio.ensure_future(run(engine, request))
    await asyncio.sleep(0.3)
    if how == "by its number":
        await engine.cancel(request)
    elif how == "all":
        await engine.cancel()
    else:
        urgent = asyncio.ensure_future(run(engine, Request(short, 60, sampling)))
        await asyncio.sleep(0.05)
        await engine.cancel(request)
        assert (await urgent)[1].reason == "length"
    _, finished = await asyncio.wait_for(long, 5)
    assert finished.reason == "cancelled"


async def test_two_that_give_way_go_one_after_the_other(engine: LocalEngine) -> None:
    sampling = await endless(engine)
    first, second, short = await engine.tokenize([LONG[:700], LONG[700:1200], TEXTS[0]])
    both = [asyncio.ensure_future(run(engine, Request(ids, 40, sampling, gives_way=True))) for ids in (first, second)]
    await asyncio.sleep(0.05)
    await run(engine, Request(short, 2))
    for said, finished in await asyncio.gather(*both):
        assert len(said) == 40 and finished.reason == "length"
