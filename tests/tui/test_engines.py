from __future__ import annotations

import asyncio

import pytest

from localcoder.errors import LocalcoderError
from localcoder.tui.engines import EngineHost
from tests.tui.fake_engine import FakeEngine


async def test_loading_goes_on_when_the_one_who_waits_is_cancelled() -> None:
    engine = FakeEngine(load_s=0.2)
    host = EngineHost(lambda model: engine)
    waiting = asyncio.create_task(host.engine())
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.sleep(0.3)
    assert host.info is not None
    await host.close()
    assert engine.closed


async def test_closing_ends_a_loading_engine() -> None:
    engine = FakeEngine(load_s=60)
    host = EngineHost(lambda model: engine)
    waiting = asyncio.create_task(host.engine())
    await asyncio.sleep(0.05)
    await host.close()
    assert engine.closed
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_failed_load_is_tried_again() -> None:
    answers: list[LocalcoderError | FakeEngine] = [LocalcoderError("No."), FakeEngine()]

    def factory(model: str | None) -> FakeEngine:
        answer = answers.pop(0)
        if isinstance(answer, LocalcoderError):
            raise answer
        return answer

    host = EngineHost(factory)
    with pytest.raises(LocalcoderError):
        await host.engine()
    assert isinstance(await host.engine(), FakeEngine)
    await host.close()


async def test_switching_asks_the_factory_for_the_other_model() -> None:
    asked: list[str | None] = []

    def factory(model: str | None) -> FakeEngine:
        asked.append(model)
        return FakeEngine()

    host = EngineHost(factory, "one")
    await host.engine()
    await host.switch("two")
    await host.engine()
    assert asked == ["one", "two"]
