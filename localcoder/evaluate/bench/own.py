"""localcoder's own turn: a fresh engine that loads, is typed with, reads and generates."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from functools import partial

import psutil

from localcoder.completion.complete import Completion, Options, complete
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.api import Engine, Request
from localcoder.evaluate.bench.energy import EnergyMeter
from localcoder.evaluate.bench.figures import (
    GENERATION,
    GENERATION_DRAFTS,
    GENERATION_ENERGY,
    LOAD,
    PEAK,
    READING_ENERGY,
    RESIDENT,
    Program,
    Sample,
    reading,
)
from localcoder.evaluate.bench.memory import watching
from localcoder.evaluate.bench.plan import Plan, finished
from localcoder.evaluate.bench.trace import Asked, play


@dataclass(frozen=True)
class Own:
    """The engine as the app uses it: a completion rests on what could be read by then, within `first_token_s`."""

    plan: Plan
    options: Options
    meter: EnergyMeter

    program: Program = "localcoder"

    async def turn(self, round_: int) -> AsyncGenerator[Sample, None]:
        """One round; closing it ends the engine."""
        engine, session = self.plan.setup.start(), PromptSession()
        try:
            others = set(psutil.Process().children())
            begun = time.perf_counter()
            await engine.info()
            yield Sample(LOAD, time.perf_counter() - begun)
            workers = [child.pid for child in psutil.Process().children() if child not in others]
            async with watching(workers[0]) if workers else nullcontext() as memory:
                async with aclosing(play(self.plan.trace, partial(self._ask, engine, session))) as played:
                    async for sample in played:
                        yield sample
                await session.stop_reading()
                async for sample in self._speeds(engine, round_):
                    yield sample
                if memory is not None:
                    memory.look()
                    yield Sample(RESIDENT, memory.resident_bytes)
                    yield Sample(PEAK, memory.peak_bytes)
        finally:
            await session.stop_reading()
            await engine.close()

    async def _ask(self, engine: Engine, session: PromptSession, document: Document) -> Asked:
        begun = time.perf_counter()
        async for update in complete(document, engine, self.options, session):
            if isinstance(update, Completion):
                # The worker counts from when a request arrives there: planning it, and the way there, come on top.
                stats, took_s = update.stats, time.perf_counter() - begun
                first_s = stats.first_token_s + max(0.0, took_s - stats.elapsed_s)
                return Asked(first_s, stats.tokens_read, stats.tokens_read + stats.tokens_reused)
        raise AssertionError("a completion comes last")

    async def _speeds(self, engine: Engine, round_: int) -> AsyncGenerator[Sample, None]:
        *prompts, start = self.plan.prompts(round_)
        endless, generated = self.plan.endless, self.plan.generated
        for ids in prompts:
            before = self.meter.joules()
            stats = await finished(engine, Request(ids, 1, endless, drafts=False))
            yield Sample(reading(len(ids)), stats.tokens_read / stats.first_token_s)
            if len(ids) == max(self.plan.lengths) and (after := self.meter.joules()) is not None and before is not None:
                yield Sample(READING_ENERGY, (after - before) / stats.tokens_read * 1000)
        # Read before, so that the energy is that of the generation.
        await engine.warm(start)
        for figure, drafts in ((GENERATION, False), (GENERATION_DRAFTS, True)):
            before = self.meter.joules()
            stats = await finished(engine, Request(start, generated, endless, drafts=drafts))
            yield Sample(figure, stats.tokens_per_s)
            if figure is GENERATION and (after := self.meter.joules()) is not None and before is not None:
                yield Sample(GENERATION_ENERGY, (after - before) / stats.tokens_generated)
