"""A first look at a model, and what of it can be measured in the time there is."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcoder.completion.complete import DEFAULT_PROMPT_TOKENS
from localcoder.engine.api import Engine, Finished, ModelInfo, Request, Sampling, Stats
from localcoder.errors import LocalcoderError
from localcoder.evaluate.bench.figures import Program, Subject
from localcoder.evaluate.bench.trace import ANSWER_TOKENS, READ_FILES, TYPED_FILE, Trace, code, make_trace
from localcoder.evaluate.statistics import ENOUGH

LENGTHS = (64, 256, 1024)
"""Tokens of the prompts whose reading is timed."""
GENERATED_TOKENS = 64
GENERATION_PROMPT_TOKENS = 128
ROUNDS = ENOUGH + 1
_FEWEST_GENERATED = 16
_READING_SHARE, _GENERATION_SHARE = 0.35, 0.2
"""Of a program's part of a round, what reading and generation may take; typing goes at a person's pace."""
_LOOK_TOKENS, _LOOK_GENERATED = 48, 6
_WINDOW_SHARE = 0.85
"""Of a model's sliding window, what the file that is typed into takes: where it is full, another effect is measured."""
_NEVER = -1e9
"""A logit bias below all that a model says."""


@dataclass(frozen=True)
class Setup:
    """A model that is to be measured: its file, its threads, and what makes a fresh engine of both."""

    path: Path
    threads: int
    start: Callable[[], Engine]


@dataclass(frozen=True)
class Bounds:
    """What is asked for: at most so many rounds, in about so much time for each model and number of threads."""

    rounds: int = ROUNDS
    time_s: float = 300.0
    lengths: tuple[int, ...] = LENGTHS


@dataclass(frozen=True)
class Plan:
    """What is done with one model in each round. `round_s` is a guess from the first look.

    `stream` are the ids of code, of which each round reads other parts. `n_ctx` is what the engine's context holds.
    """

    setup: Setup
    subject: Subject
    trace: Trace
    lengths: tuple[int, ...]
    generated: int
    stream: tuple[int, ...]
    endless: Sampling
    n_ctx: int
    rounds: int
    round_s: float
    time_s: float

    def prompts(self, round_: int) -> list[tuple[int, ...]]:
        """A prompt of each length, and last the one to generate after: no two have text in common."""
        sizes = (*self.lengths, GENERATION_PROMPT_TOKENS)
        start = round_ * 97
        found = []
        for size in sizes:
            found.append(tuple(self.stream[(start + i) % len(self.stream)] for i in range(size)))
            start += size
        return found


@dataclass(frozen=True)
class BenchProgress:
    """How far it is: a `localcoder.progress.Progress`."""

    stage: str
    done: int
    total: int
    unit: str
    left_s: float | None = None
    rate: float = 0.0


async def make_plans(
    setups: Sequence[Setup], bounds: Bounds, programs: Sequence[Program]
) -> AsyncGenerator[BenchProgress | tuple[Plan, ...], None]:
    """Load each model once, see how fast it is, and plan; the last thing that comes are the plans."""
    plans = []
    for index, setup in enumerate(setups):
        yield BenchProgress("A first look", index, len(setups), "models")
        plans.append(await _plan(setup, bounds, programs))
    yield tuple(plans)


async def _plan(setup: Setup, bounds: Bounds, programs: Sequence[Program]) -> Plan:
    engine = setup.start()
    try:
        begun = time.perf_counter()
        info = await engine.info()
        load_s = time.perf_counter() - begun
        most = min(info.window or info.n_ctx_train, info.n_ctx_train, info.n_ctx)
        lengths = tuple(sorted(length for length in bounds.lengths if length <= most))
        if not lengths:
            raise LocalcoderError(
                f"{info.name} reads {most:,} tokens exactly; no --length is as short.", "Give a smaller one.",
                exit_code=2,
            )  # fmt: skip
        endless = Sampling(logit_bias=tuple((token, _NEVER) for token in (*info.end_ids, *info.redaction_ids)))
        (stream,) = await engine.tokenize([code(*READ_FILES)])
        stats = await finished(engine, Request(stream[:_LOOK_TOKENS], _LOOK_GENERATED, endless, drafts=False))
        trace = await _trace(engine, info)
    finally:
        await engine.close()
    speed = _Speed(load_s, stats.tokens_read / max(stats.first_token_s, 1e-6), max(stats.tokens_per_s, 1e-3))
    part_s = bounds.time_s / ENOUGH / len(programs)
    readable = part_s * _READING_SHARE * speed.reading
    lengths = tuple(n for i, n in enumerate(lengths) if i == 0 or sum(lengths[: i + 1]) <= readable)
    affordable = int(part_s * _GENERATION_SHARE * speed.generation)
    generated = min(GENERATED_TOKENS, max(_FEWEST_GENERATED, affordable))
    round_s = sum(speed.turn_s(program, trace, lengths, generated) for program in programs)
    return Plan(
        setup=setup,
        subject=Subject(info.name, info.type_name, info.size_bytes, setup.threads),
        trace=trace,
        lengths=lengths,
        generated=generated,
        stream=stream,
        endless=endless,
        n_ctx=info.n_ctx,
        rounds=max(1, min(bounds.rounds, int(bounds.time_s / round_s))),
        round_s=round_s,
        time_s=bounds.time_s,
    )


async def _trace(engine: Engine, info: ModelInfo) -> Trace:
    lines = code(TYPED_FILE).splitlines(keepends=True)
    lengths = [len(ids) for ids in await engine.tokenize(lines)]
    most = min(DEFAULT_PROMPT_TOKENS, int((info.window or info.n_ctx_train) * _WINDOW_SHARE))
    return make_trace(lines, lengths, most)


async def finished(engine: Engine, request: Request) -> Stats:
    """Run a request to its end, and say what it cost."""
    async for event in engine.generate(request):
        if isinstance(event, Finished):
            return event.stats
    raise AssertionError("a generation ends with Finished")


@dataclass(frozen=True)
class _Speed:
    """What the first look showed: seconds to load, tokens a second."""

    load_s: float
    reading: float
    generation: float

    def turn_s(self, program: Program, trace: Trace, lengths: Sequence[int], generated: int) -> float:
        """About how long a program takes for its turn of a round."""
        read, written = sum(lengths) / self.reading, generated / self.generation
        if program == "llama-bench":
            # It loads the model, and runs each test once to warm up.
            return self.load_s + 2 * (read + written)
        answers = (1 + len(trace.steps)) * ANSWER_TOKENS / self.generation
        turn = self.load_s + trace.typing_s + answers + read + written
        if program == "llama-server":
            # It reads the whole prompt first, and after each keystroke what stands behind the cursor once more.
            return turn + (trace.tokens + len(trace.steps) * trace.tokens_behind) / self.reading
        return turn + written
