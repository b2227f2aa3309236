"""A whole evaluation: a few holes to see how fast it goes, then as many as fit the time, one candidate at a time."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from localcoder.completion.complete import Options
from localcoder.completion.context.gathering import Gathering
from localcoder.completion.context.level import Level
from localcoder.completion.layout import LayoutName
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError
from localcoder.evaluate.candidates import Candidate
from localcoder.evaluate.distance import Predictions
from localcoder.evaluate.holes import KINDS, Hole, reading_order
from localcoder.evaluate.journal import Journal, key_of
from localcoder.evaluate.measure import Result, measure, predictions

PILOT = len(KINDS)
"""Holes that each candidate begins with: one of each kind says how long they take."""


@dataclass(frozen=True)
class EvaluationProgress:
    """How far it is: a `localcoder.progress.Progress`, in holes of one candidate."""

    stage: str
    done: int
    total: int
    rate: float
    left_s: float | None = None
    unit: str = "holes"


@dataclass(frozen=True)
class Plan:
    """How many holes there will be for each candidate, and the seconds that are left until then."""

    holes: tuple[Hole, ...]
    seconds: float


@dataclass(frozen=True)
class Measured:
    """The results of one candidate by the keys of holes; `error` is why it could not be measured."""

    candidate: Candidate
    results: dict[str, Result]
    error: LocalcoderError | None = None


@dataclass(frozen=True)
class Task:
    """What is to be measured. `holes` in the order in which they are taken; `most` None: what fits `seconds`.

    `raw_tokens`: what a model says by itself is kept, too, so many tokens at most.
    """

    holes: Sequence[Hole]
    candidates: Sequence[Candidate]
    options: Options
    raw: bool = False
    raw_tokens: int | None = None
    reference: Path | None = None
    seconds: float = 1800.0
    most: int | None = None
    repository: Path | None = None
    """Where other files are looked for; None: around each file."""
    extra_s: float = 0.0
    """Seconds of something else that each hole of each candidate costs."""


_Prompts = tuple[LayoutName, int, Level]


def _prompts(candidate: Candidate) -> _Prompts:
    """What its prompts depend on."""
    return candidate.layout, candidate.prompt_tokens, candidate.context


class Evaluation:
    """First `begin`, then `go_on`; `measured` has what there is at any time, also after an interruption."""

    def __init__(self, task: Task, make_engine: Callable[[Candidate], Engine], journal: Journal) -> None:
        self._task = task
        self._make_engine = make_engine
        self._journal = journal
        self._results: dict[str, dict[str, Result]] = {candidate.name: {} for candidate in task.candidates}
        self._errors: dict[str, LocalcoderError] = {}
        self._loading_s: dict[str, float] = {}
        self._references: dict[_Prompts, dict[str, Predictions]] = {}
        self._gatherings: dict[Level, Gathering] = {}
        self._begun = time.monotonic()
        self._engine: Engine | None = None
        self._loaded: object = None
        self._reference_s = 0.0

    @property
    def measured(self) -> list[Measured]:
        return [
            Measured(candidate, dict(self._results[candidate.name]), self._errors.get(candidate.name))
            for candidate in self._task.candidates
        ]

    async def begin(self) -> AsyncGenerator[EvaluationProgress | Plan, None]:
        """Measure the first holes, and say how many fit the time. Raises LocalcoderError if no candidate works."""
        pilot = list(self._task.holes[: min(PILOT, self._task.most or PILOT)])
        async for progress in self._measure_all(pilot):
            yield progress
        working = [candidate for candidate in self._task.candidates if candidate.name not in self._errors]
        if not working:
            raise next(iter(self._errors.values()))
        seconds = self._seconds_a_hole(working, len(pilot))
        key = key_of("plan", self._run_key())
        known = self._journal.get(key)
        if self._task.most is not None:
            count = self._task.most
        elif known is not None:
            count = int(known["holes"])
        else:
            left = self._task.seconds - (time.monotonic() - self._begun) - sum(self._loading_s.values())
            count = max(len(pilot), len(pilot) + int(left / max(seconds, 1e-3)))
        count = min(count, len(self._task.holes))
        self._journal.put(key, {"holes": count})
        holes = tuple(self._task.holes[:count])
        missing = sum(self._known(candidate, hole) is None for candidate in working for hole in holes) / len(working)
        yield Plan(holes, missing * seconds + (sum(self._loading_s.values()) if missing else 0.0))

    async def go_on(self, plan: Plan) -> AsyncGenerator[EvaluationProgress | list[Measured], None]:
        """Measure all of the plan's holes."""
        async for progress in self._measure_all(plan.holes):
            yield progress
        yield self.measured

    async def close(self) -> None:
        """Free what is loaded."""
        engine, self._engine, self._loaded = self._engine, None, None
        if engine is not None:
            await engine.close()

    def _seconds_a_hole(self, candidates: Sequence[Candidate], count: int) -> float:
        """For all candidates together, and the reference."""
        spent = sum(result.elapsed_s for each in candidates for result in self._results[each.name].values())
        return spent / max(count, 1) + self._reference_s / max(count, 1) + self._task.extra_s * len(candidates)

    async def _measure_all(self, holes: Sequence[Hole]) -> AsyncGenerator[EvaluationProgress, None]:
        ordered = reading_order(holes)
        async for progress in self._refer(ordered):
            yield progress
        for candidate in sorted(self._task.candidates, key=self._position):
            if candidate.name in self._errors:
                continue
            try:
                async for progress in self._measure(candidate, ordered):
                    yield progress
            except LocalcoderError as error:
                self._errors[candidate.name] = error

    def _position(self, candidate: Candidate) -> int:
        """Those that share what is loaded come together, what is loaded already first."""
        loaded = [each.loaded for each in self._task.candidates]
        return -1 if candidate.loaded == self._loaded else loaded.index(candidate.loaded)

    async def _measure(self, candidate: Candidate, holes: Sequence[Hole]) -> AsyncGenerator[EvaluationProgress, None]:
        options = self._options(candidate)
        references = self._references.get(_prompts(candidate), {})
        begun, new = time.monotonic(), 0
        for done, hole in enumerate(holes):
            rate = new / max(time.monotonic() - begun, 1e-9)
            yield EvaluationProgress(
                candidate.name, done, len(holes), rate, self._left_s(candidate, holes, len(holes) - done)
            )
            result = self._known(candidate, hole)
            if result is None:
                engine = await self._load(candidate)
                reference = references.get(hole.key)
                result = await measure(
                    hole,
                    engine,
                    options,
                    raw=self._task.raw,
                    raw_tokens=self._task.raw_tokens,
                    reference=reference,
                    gathering=self._gathering(candidate.context),
                )
                self._journal.put(self._key(candidate, hole), asdict(result))
                new += 1
            self._results[candidate.name][hole.key] = result
        yield EvaluationProgress(candidate.name, len(holes), len(holes), new / max(time.monotonic() - begun, 1e-9))

    def _left_s(self, candidate: Candidate, holes: Sequence[Hole], left: int) -> float | None:
        """Seconds for this candidate's other holes, by those that it had."""
        known = [result.elapsed_s for result in self._results[candidate.name].values()]
        return sum(known) / len(known) * left if known else None

    async def _refer(self, holes: Sequence[Hole]) -> AsyncGenerator[EvaluationProgress, None]:
        """What the reference says of each hole, for each kind of prompt that there is."""
        model = self._task.reference
        if model is None:
            return
        for prompts in dict.fromkeys(map(_prompts, self._task.candidates)):
            candidate = Candidate(f"{model.stem} (reference)", model, (), *prompts)
            options, found = self._options(candidate), self._references.setdefault(prompts, {})
            begun = time.monotonic()
            for done, hole in enumerate(holes):
                rate = done / max(time.monotonic() - begun, 1e-9)
                yield EvaluationProgress(candidate.name, done, len(holes), rate)
                key = key_of("reference", candidate.identity, hole.key, options)
                if hole.key in found:
                    continue
                if (known := self._journal.get(key)) is not None:
                    found[hole.key] = Predictions.from_json(known)
                    continue
                engine = await self._load(candidate)
                started = time.monotonic()
                found[hole.key] = await predictions(hole, engine, options, gathering=self._gathering(candidate.context))
                self._reference_s += time.monotonic() - started
                self._journal.put(key, found[hole.key].as_json())
            yield EvaluationProgress(candidate.name, len(holes), len(holes), 0.0)

    async def _load(self, candidate: Candidate) -> Engine:
        """The engine with what this candidate needs, and nothing else in memory."""
        if self._engine is not None and self._loaded == candidate.loaded:
            return self._engine
        await self.close()
        begun = time.monotonic()
        self._engine, self._loaded = self._make_engine(candidate), candidate.loaded
        await self._engine.info()
        self._loading_s[candidate.name] = time.monotonic() - begun
        return self._engine

    def _options(self, candidate: Candidate) -> Options:
        return replace(self._task.options, layout=candidate.layout, max_prompt_tokens=candidate.prompt_tokens)

    def _gathering(self, level: Level) -> Gathering:
        return self._gatherings.setdefault(level, Gathering(level, self._task.repository))

    def _known(self, candidate: Candidate, hole: Hole) -> Result | None:
        value = self._results[candidate.name].get(hole.key)
        if value is not None:
            return value
        with suppress(TypeError):  # Of another version's form.
            known = self._journal.get(self._key(candidate, hole))
            return None if known is None else Result(**known)
        return None

    def _key(self, candidate: Candidate, hole: Hole) -> str:
        reference = None
        if self._task.reference is not None:
            reference = Candidate("", self._task.reference, (), *_prompts(candidate)).identity
        options = self._options(candidate)
        return key_of("result", candidate.identity, reference, hole.key, options, self._task.raw, self._task.raw_tokens)

    def _run_key(self) -> tuple[object, ...]:
        """What makes two runs the same: then the second goes on with the holes of the first."""
        task = self._task
        holes = tuple(hole.key for hole in task.holes[:PILOT]), len(task.holes)
        return (
            holes,
            tuple(each.identity for each in task.candidates),
            task.raw,
            task.raw_tokens,
            task.options,
            task.seconds,
        )
