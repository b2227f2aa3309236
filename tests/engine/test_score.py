"""`Engine.score`: what the model thinks of given ids, read through the same KV cache as completions."""

from __future__ import annotations

import asyncio
import inspect
import math
from pathlib import Path

import numpy as np
import pytest

from localcoder.engine.api import Finished, Request
from localcoder.engine.context import Context
from localcoder.engine.local import LocalEngine
from localcoder.engine.wire import Load
from localcoder.errors import LocalcoderError
from tests.engine.test_exactness import all_logits

CODE = inspect.getsource(inspect)


@pytest.fixture(scope="module")
def ids(demo_model: Path) -> tuple[int, ...]:
    """Twice the window of the bundled model."""
    context = Context(Load(str(demo_model), 1))
    found = context.model.tokenize(CODE)[:512]
    context.close()
    return tuple(found)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


async def test_as_one_token_at_a_time_gives(engine: LocalEngine, demo_model: Path, ids: tuple[int, ...]) -> None:
    wanted = log_softmax(all_logits(demo_model, ids[:-1]))
    scores = await engine.score(ids, 1, top=3)
    found = np.array([each.logprob for each in scores])
    expected = wanted[np.arange(len(ids) - 1), ids[1:]]
    # Past the window a batch's last token sees a few keys too many.
    assert np.abs(found - expected)[:255].max() < 0.05
    assert abs((found - expected).mean()) < 0.005
    for score, row in zip(scores[:255], wanted, strict=False):
        top = [logprob for _, logprob in score.top]
        assert top == sorted(top, reverse=True)
        assert np.abs(np.array(top) - np.sort(row)[::-1][:3]).max() < 0.05
        assert all(abs(row[token] - logprob) < 0.05 for token, logprob in score.top)


async def test_the_whole_vocabulary_sums_to_one(engine: LocalEngine, ids: tuple[int, ...]) -> None:
    n_vocab = (await engine.info()).n_vocab
    (score,) = await engine.score(ids[:10], 9, top=n_vocab + 5)
    assert len(score.top) == n_vocab == len({token for token, _ in score.top})
    assert math.isclose(sum(math.exp(logprob) for _, logprob in score.top), 1, abs_tol=1e-4)
    assert math.isclose(dict(score.top)[ids[9]], score.logprob, abs_tol=1e-6)


async def test_what_was_read_is_not_read_again_and_gives_the_same(engine: LocalEngine, ids: tuple[int, ...]) -> None:
    first = await engine.score(ids[:200], 100)
    assert (await engine.estimate(ids[:200])).unread <= 1
    again = await engine.score(ids[:200], 150)
    assert [each.logprob for each in again] == pytest.approx([each.logprob for each in first[50:]], abs=0.05)
    other = (*ids[:150], *ids[300:350])
    assert len(await engine.score(other, 150)) == 50
    assert (await engine.estimate(other)).unread <= 1


async def test_who_types_keeps_what_was_read(engine: LocalEngine, ids: tuple[int, ...]) -> None:
    async for _ in engine.generate(Request(ids[:100], 1)):
        pass
    for start in range(100, 400, 60):
        await engine.score(ids[start : start + 60], 30)
    assert (await engine.estimate(ids[:100])).unread <= 1


async def test_nothing_to_score_and_nothing_before_it(engine: LocalEngine, ids: tuple[int, ...]) -> None:
    assert await engine.score(ids[:5], 5) == []
    for start in (0, -1, 6):
        with pytest.raises(ValueError, match="no scores"):
            await engine.score(ids[:5], start)


async def test_a_newer_request_and_a_cancel_end_it(engine: LocalEngine, ids: tuple[int, ...]) -> None:
    long = ids * 30
    running = asyncio.ensure_future(engine.score(long, 1))
    await asyncio.sleep(0.3)
    *_, last = [event async for event in engine.generate(Request(ids[:20], 1))]
    assert isinstance(last, Finished) and last.stats.elapsed_s < 2
    with pytest.raises(LocalcoderError, match="cancelled"):
        await running
    running = asyncio.ensure_future(engine.score(long, 1))
    await asyncio.sleep(0.3)
    await engine.cancel()
    with pytest.raises(LocalcoderError, match="cancelled"):
        await running
    assert len(await engine.score(ids[:20], 10)) == 10


async def test_more_than_the_context_holds(demo_model: Path, ids: tuple[int, ...]) -> None:
    engine = LocalEngine(demo_model, n_ctx=128)
    with pytest.raises(LocalcoderError, match="the context holds"):
        await engine.score(ids, 10)
    await engine.close()
