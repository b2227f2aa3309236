"""Candidates against the first one, on the same holes: measures, bootstrap intervals of differences, and a sentence.

The holes of one file are alike: whole files are drawn again (Field and Welsh 2007, "Bootstrapping clustered data"), or
lines where there are few files. Of a suite, whole problems are drawn again: one of HumanEval's has many holes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from localcoder.evaluate.check import Checked, Checks
from localcoder.evaluate.holes import KIND_NAMES, Hole
from localcoder.evaluate.judge import Judgement, judge
from localcoder.evaluate.measure import Result
from localcoder.evaluate.run import Measured
from localcoder.evaluate.suites.scoring import Said, Scored, Scores

DRAWS, _TOGETHER = 2000, 100
_FEWEST_FILES = 10
"""Chosen: with fewer, files that are drawn again say little of those that were not."""
FEWEST_HOLES = 30
"""Chosen: with fewer holes a sentence on what to take would be a guess."""
_THRESHOLDS = tuple(step / 20 for step in range(20))
_SAME_NATS = 0.02
"""Nats a token. Chosen: below the loss of Q6_K that nobody notices, as llama.cpp's tables give it."""
_FASTER = 1.1
"""How many times a candidate has to be faster, or smaller, for that to be a reason."""
Unit = Literal["nats", "share", "ratio"]


@dataclass(frozen=True)
class Interval:
    """95 % of the bootstrap's draws are in it."""

    low: float
    high: float

    @property
    def has_zero(self) -> bool:
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Measure:
    """A measure of all holes of a candidate; `difference` is from the first candidate, with its interval."""

    name: str
    unit: Unit
    better: Literal["lower", "higher", "one"]
    value: float
    difference: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Costs:
    """Medians, in seconds and tokens a second; None where it was not measured. The memory is the most there was."""

    first_token_unread_s: float | None
    first_token_s: float
    suggestion_s: float
    tokens_per_s: float | None
    memory_bytes: int


@dataclass(frozen=True)
class Shown:
    """When only suggestions with at least this confidence are shown: what share that is of all places, what share of
    them is right as a whole, and what share of all characters they save.
    """

    threshold: float
    shown: float
    right: float
    saved: float


@dataclass(frozen=True)
class Case:
    """One hole with what a candidate said; `check` is None where no command was run, `score` outside of suites."""

    hole: Hole
    result: Result
    judgement: Judgement
    check: Checked | None = None
    score: Scored | None = None

    @property
    def passes(self) -> bool | None:
        """By a suite's own truncation; None where it is not scored."""
        return None if self.score is None else self.score.theirs.passes


@dataclass(frozen=True)
class Part:
    """Some of the holes; `passes` is None where none of them is scored as one of a suite's."""

    holes: int
    whole_right: float
    similarity: float
    passes: float | None = None


@dataclass(frozen=True)
class Compared:
    """One candidate. `parts` are by kind, by where the names come from, and of suites by language."""

    name: str
    measures: tuple[Measure, ...]
    costs: Costs
    parts: Mapping[str, Part]
    curve: tuple[Shown, ...]
    cases: tuple[Case, ...]

    @property
    def is_scored(self) -> bool:
        """Whether some of it is scored as a suite's tasks: then the first measure is what passes."""
        return any(part.passes is not None for part in self.parts.values())

    def measure(self, name: str) -> Measure:
        return next(each for each in self.measures if each.name == name)


@dataclass(frozen=True)
class Comparison:
    """`sentence` says what to take. `failed` are candidates that could not be measured, and why.

    `note` says how the check takes the code as it is, or how a suite is scored, "" where there is neither. `suite` is
    that suite's name: its files are problems.
    """

    compared: tuple[Compared, ...]
    holes: int
    files: int
    drawn: Literal["files", "problems", "lines"]
    sentence: str
    failed: Mapping[str, str]
    note: str = ""
    suite: str = ""


@dataclass(frozen=True)
class _Ratio:
    """A measure as a sum over a sum of the holes."""

    name: str
    unit: Unit
    better: Literal["lower", "higher", "one"]
    above: Callable[[Case], float]
    below: Callable[[Case], float]


def _one(case: Case) -> float:
    return 1.0


_TOKENS = _Ratio("nats a token", "nats", "lower", lambda case: case.result.nats, lambda case: case.result.tokens)
_CHARACTERS = _Ratio(
    "nats a character", "nats", "lower", lambda case: case.result.nats, lambda case: len(case.hole.middle)
)
_REFERENCE = (
    _Ratio("KL divergence", "nats", "lower", lambda case: case.result.kl_nats or 0.0, lambda case: case.result.tokens),
    _Ratio(
        "same likeliest token",
        "share",
        "higher",
        lambda case: case.result.same_top or 0,
        lambda case: case.result.tokens,
    ),
)
_SUGGESTION = (
    _Ratio("whole right", "share", "higher", lambda case: case.judgement.exact, _one),
    _Ratio("edit similarity", "ratio", "higher", lambda case: case.judgement.similarity, _one),
    _Ratio("parses", "share", "higher", lambda case: case.judgement.parses, _one),
    _Ratio(
        "length / truth", "ratio", "one", lambda case: case.judgement.length, lambda case: case.judgement.characters
    ),
    _Ratio("ended by itself", "share", "higher", lambda case: case.result.is_ended, _one),
    _Ratio(
        "characters saved", "share", "higher", lambda case: case.judgement.saved, lambda case: case.judgement.characters
    ),
)


_CHECK = (
    _Ratio("passes the check", "share", "higher", lambda case: case.check is not None and case.check.passed, _one),
    _Ratio("new complaints", "ratio", "lower", lambda case: case.check.complaints if case.check else 0, _one),
)


def _passes(name: str, said_of: Callable[[Scored], Said]) -> _Ratio:
    """Of those that are scored."""

    def passes(case: Case) -> bool | None:
        return None if case.score is None else said_of(case.score).passes

    return _Ratio(name, "share", "higher", lambda case: passes(case) is True, lambda case: passes(case) is not None)


_THEIRS = _passes("pass@1, their truncation", lambda score: score.theirs)
_SHOWN = _passes("pass@1, as shown", lambda score: score.shown)


def compare(
    holes: Sequence[Hole],
    measured: Sequence[Measured],
    checks: Checks | None = None,
    note: str = "",
    *,
    scores: Scores | None = None,
    suite: str = "",
    seed: int = 0,
) -> Comparison | None:
    """On the holes that all candidates had that had any; None where there are none yet.

    With `checks`, on those holes only that were checked for all; with `scores`, on those that were scored.
    """
    failed = {each.candidate.name: str(each.error) for each in measured if each.error is not None}
    some = [each for each in measured if each.results and each.error is None]
    common = [hole for hole in holes if all(hole.key in each.results for each in some)]
    for judged in (checks, scores):
        if judged:
            common = [hole for hole in common if all((each.candidate.name, hole.key) in judged for each in some)]
    if not some or not common:
        return None
    cases = {each.candidate.name: [_case(each, hole, checks or {}, scores or {}) for hole in common] for each in some}
    files = len({hole.file.name for hole in common})
    by_file = files >= _FEWEST_FILES
    places = [hole.file.name if by_file else (hole.file.name, hole.end) for hole in common]
    bootstrap = _Bootstrap(places, seed)
    ratios = _ratios(list(cases.values()))
    first = next(iter(cases.values()))
    compared = []
    for name, own in cases.items():
        measures = tuple(bootstrap.measure(ratio, own, first if own is not first else None) for ratio in ratios)
        compared.append(Compared(name, measures, _costs(own), _parts(own), _curve(own), tuple(own)))
    if any(ratio is _THEIRS for ratio in ratios):
        sentence = _suite_sentence(compared, cases, bootstrap, suite)
    else:
        sentence = _sentence(compared, cases, bootstrap, ratios[0])
    drawn: Literal["files", "problems", "lines"] = ("problems" if suite else "files") if by_file else "lines"
    return Comparison(tuple(compared), len(common), files, drawn, sentence, failed, note, suite)


def _case(measured: Measured, hole: Hole, checks: Checks, scores: Scores) -> Case:
    result, key = measured.results[hole.key], (measured.candidate.name, hole.key)
    return Case(hole, result, judge(hole, result), checks.get(key), scores.get(key))


class _Bootstrap:
    def __init__(self, places: Sequence[object], seed: int) -> None:
        numbers = {place: number for number, place in enumerate(dict.fromkeys(places))}
        self._place = np.array([numbers[place] for place in places])
        self._count = len(numbers)
        rng, shares = np.random.default_rng(seed), np.full(self._count, 1 / self._count)
        # How often each place is in each draw, in bytes and some at a time: a suite may have ten thousand places.
        self._draws = [
            rng.multinomial(self._count, shares, _TOGETHER).astype(np.uint8) for _ in range(0, DRAWS, _TOGETHER)
        ]

    def measure(self, ratio: _Ratio, own: Sequence[Case], first: Sequence[Case] | None) -> Measure:
        value = self._value(ratio, own)
        if first is None:
            return Measure(ratio.name, ratio.unit, ratio.better, value)
        difference, interval = self.difference(ratio, own, first)
        return Measure(ratio.name, ratio.unit, ratio.better, value, difference, interval)

    def difference(self, ratio: _Ratio, own: Sequence[Case], other: Sequence[Case]) -> tuple[float, Interval]:
        apart = self._drawn(ratio, own) - self._drawn(ratio, other)
        low, high = np.percentile(apart, [2.5, 97.5])
        return self._value(ratio, own) - self._value(ratio, other), Interval(float(low), float(high))

    def _value(self, ratio: _Ratio, cases: Sequence[Case]) -> float:
        return float(sum(map(ratio.above, cases)) / max(sum(map(ratio.below, cases)), 1e-9))

    def _drawn(self, ratio: _Ratio, cases: Sequence[Case]) -> npt.NDArray[np.float64]:
        sums = [
            np.bincount(self._place, [float(of(case)) for case in cases], self._count)
            for of in (ratio.above, ratio.below)
        ]
        above, below = (np.concatenate([draws.astype(np.float64) @ each for draws in self._draws]) for each in sums)
        drawn: npt.NDArray[np.float64] = above / np.maximum(below, 1e-9)
        return drawn


def _ratios(cases: Sequence[Sequence[Case]]) -> tuple[_Ratio, ...]:
    """Nats a character where models cut text into different tokens."""
    is_same = all(len({case.result.tokens for case in row}) == 1 for row in zip(*cases, strict=True))
    has_reference = all(case.result.kl_nats is not None for own in cases for case in own)
    has_checks = all(case.check is not None for own in cases for case in own)
    first = _TOKENS if is_same else _CHARACTERS
    scored = (_THEIRS, _SHOWN) if any(case.passes is not None for case in cases[0]) else ()
    return (*scored, first, *(_REFERENCE if has_reference else ()), *_SUGGESTION, *(_CHECK if has_checks else ()))


def _costs(cases: Sequence[Case]) -> Costs:
    results = [case.result for case in cases]
    unread = [seconds for each in results if (seconds := each.first_token_unread_s) is not None]
    speeds = [each.tokens_per_s for each in results if each.tokens_per_s > 0]
    return Costs(
        float(np.median(unread)) if unread else None,
        float(np.median([each.first_token_s for each in results])),
        float(np.median([each.suggestion_s for each in results])),
        float(np.median(speeds)) if speeds else None,
        max(each.memory_bytes for each in results),
    )


def _parts(cases: Sequence[Case]) -> dict[str, Part]:
    groups: dict[str, list[Case]] = {
        name: [case for case in cases if case.hole.kind == kind] for kind, name in KIND_NAMES.items()
    }
    groups["names from other files"] = [case for case in cases if case.hole.names_elsewhere is True]
    groups["no names from other files"] = [case for case in cases if case.hole.names_elsewhere is False]
    languages = sorted({case.hole.file.language.label for case in cases if case.hole.names_elsewhere is None})
    if len(languages) > 1:
        groups |= {name: [case for case in cases if case.hole.file.language.label == name] for name in languages}
    return {name: _part(group) for name, group in groups.items() if group}


def _part(cases: Sequence[Case]) -> Part:
    passes = [case.passes for case in cases if case.passes is not None]
    return Part(
        len(cases),
        float(np.mean([case.judgement.exact for case in cases])),
        float(np.mean([case.judgement.similarity for case in cases])),
        float(np.mean(passes)) if passes else None,
    )


def _curve(cases: Sequence[Case]) -> tuple[Shown, ...]:
    characters = max(sum(case.judgement.characters for case in cases), 1)
    found = []
    for threshold in _THRESHOLDS:
        shown = [case for case in cases if case.result.text.strip() and case.result.confidence >= threshold]
        right = sum(case.judgement.exact for case in shown) / len(shown) if shown else 0.0
        saved = sum(case.judgement.saved for case in shown) / characters
        found.append(Shown(threshold, len(shown) / len(cases), right, saved))
    return tuple(found)


def _sentence(
    compared: Sequence[Compared], cases: Mapping[str, Sequence[Case]], bootstrap: _Bootstrap, nats: _Ratio
) -> str:
    """Of those that are as good as the best within what was measured, the fastest; if none is faster, the smallest."""
    count = len(next(iter(cases.values())))
    best = min(compared, key=lambda each: each.measure(nats.name).value)
    right = best.measure("whole right").value
    if len(compared) == 1:
        saved = best.measure("characters saved").value
        return f"{best.name} says what stood there in {right:.0%} of the places, and saves {saved:.0%} of the typing."
    if count < FEWEST_HOLES:
        return f"{count} holes are too few to say what to take: give it more --time."
    similarity = next(ratio for ratio in _SUGGESTION if ratio.name == "edit similarity")
    equals = []
    for each in compared:
        loss, interval = bootstrap.difference(nats, cases[each.name], cases[best.name])
        _, alike = bootstrap.difference(similarity, cases[each.name], cases[best.name])
        if each is best or ((interval.has_zero or loss < _SAME_NATS) and alike.high >= 0):
            equals.append(each)
    if len(equals) == 1:
        others = [each for each in compared if each is not best]
        second = min(others, key=lambda each: each.measure(nats.name).value)
        loss, interval = bootstrap.difference(nats, cases[second.name], cases[best.name])
        return (
            f"Take {best.name}: it knows your code best, {loss:.3f} {nats.name} ahead of {second.name} "
            f"(95 % interval {interval.low:.3f} to {interval.high:.3f}){_price(best, second)}."
        )
    fastest = min(equals, key=lambda each: each.costs.suggestion_s)
    slowest = max(equals, key=lambda each: each.costs.suggestion_s)
    smallest = min(equals, key=lambda each: each.costs.memory_bytes)
    largest = max(equals, key=lambda each: each.costs.memory_bytes)
    among = "All" if len(equals) == len(compared) else f"{len(equals)} of them"
    alike_text = f"{among} are equally good within what {count} holes can tell"
    if slowest.costs.suggestion_s > fastest.costs.suggestion_s * _FASTER:
        times = slowest.costs.suggestion_s / max(fastest.costs.suggestion_s, 1e-9)
        return f"Take {fastest.name}: {alike_text.lower()}, and it is {times:.1f} times as fast as {slowest.name}."
    if largest.costs.memory_bytes > smallest.costs.memory_bytes * _FASTER:
        saved_bytes = (largest.costs.memory_bytes - smallest.costs.memory_bytes) / 1e9
        return (
            f"Take {smallest.name}: {alike_text.lower()}, and it needs {saved_bytes:.1f} GB less than {largest.name}."
        )
    return f"{alike_text}, and cost the same: stay with {compared[0].name}."


def _suite_sentence(
    compared: Sequence[Compared], cases: Mapping[str, Sequence[Case]], bootstrap: _Bootstrap, suite: str
) -> str:
    """Which passes most by the suite's own truncation, and whether the next is behind for sure."""
    best, *others = sorted(compared, key=lambda each: -each.measure(_THEIRS.name).value)
    count = sum(case.passes is not None for case in cases[best.name])
    theirs, shown = (best.measure(ratio.name).value for ratio in (_THEIRS, _SHOWN))
    of = f"{theirs:.1%} of {count} tasks of {suite} with their truncation, and {shown:.1%} as shown"
    if not others:
        return f"{best.name} passes {of}."
    second = others[0]
    ahead, interval = bootstrap.difference(_THEIRS, cases[best.name], cases[second.name])
    apart = f"(95 % interval of the difference {interval.low * 100:.1f} to {interval.high * 100:.1f})"
    if interval.has_zero:
        return f"{best.name} passes {of}; {count} tasks cannot tell it from {second.name} {apart}."
    return f"{best.name} passes {of}: {ahead * 100:.1f} points more than {second.name} {apart}."


def _price(best: Compared, second: Compared) -> str:
    times = best.costs.suggestion_s / max(second.costs.suggestion_s, 1e-9)
    if times > _FASTER:
        return f", for {times:.1f} times the wait"
    return f", and it is {1 / times:.1f} times as fast" if times < 1 / _FASTER else ""
