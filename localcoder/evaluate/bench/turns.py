"""The measuring itself: program after program, round after round, so that whatever disturbs the machine hits all."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from localcoder.evaluate.bench.figures import Figure, Machine, Program, Report, Results, Sample
from localcoder.evaluate.bench.plan import BenchProgress, Plan


class Side(Protocol):
    """A program with one model and so many threads."""

    @property
    def plan(self) -> Plan: ...

    @property
    def program(self) -> Program: ...

    def turn(self, round_: int) -> AsyncGenerator[Sample, None]:
        """Measure each figure once. Closing it ends whatever was started. Raises LocalcoderError."""
        ...


@dataclass
class _Taken:
    """What one side's turns gave."""

    side: Side
    values: dict[Figure, list[float]] = field(default_factory=dict)
    last_turn_s: float = 0.0

    def results(self) -> Results:
        values = {figure: tuple(found) for figure, found in self.values.items()}
        return Results(self.side.plan.subject, self.side.program, values)


class Bench:
    """Sides that take turns. What was measured is there at any time, also after an interruption."""

    def __init__(self, sides: Sequence[Side], machine: Machine, notes: Sequence[str] = ()) -> None:
        self._machine = machine
        self._notes = tuple(notes)
        self._taken = [_Taken(side) for side in sides]

    def report(self) -> Report:
        """What has been measured so far."""
        found = tuple(taken.results() for taken in self._taken if taken.values)
        return Report(self._machine, found, self._notes)

    async def run(self) -> AsyncGenerator[BenchProgress | Report, None]:
        """Take turns until each plan's rounds are done or its time is over; the last thing that comes is the report.

            round 1   3B localcoder, 3B llama-server, 7B localcoder, 7B llama-server
            round 2   3B llama-server, 3B localcoder, 7B llama-server, 7B localcoder

        A round that would end after a plan's time is not begun, but for the first. Closing it ends what runs.
        """
        plans = {id(taken.side.plan): taken.side.plan for taken in self._taken}
        begun, spent = time.monotonic(), dict.fromkeys(plans, 0.0)
        for round_ in range(max(plan.rounds for plan in plans.values())):
            for key, plan in plans.items():
                sides = [taken for taken in self._taken if taken.side.plan is plan]
                if round_ and (round_ >= plan.rounds or spent[key] + sum(s.last_turn_s for s in sides) > plan.time_s):
                    continue
                first = round_ % len(sides)
                for taken in (*sides[first:], *sides[:first]):
                    turn_begun = time.monotonic()
                    async with aclosing(taken.side.turn(round_)) as samples:
                        async for sample in samples:
                            taken.values.setdefault(sample.figure, []).append(sample.value)
                            yield self._progress(begun)
                    taken.last_turn_s = time.monotonic() - turn_begun
                    spent[key] += taken.last_turn_s
        yield self.report()

    def _progress(self, begun: float) -> BenchProgress:
        done = time.monotonic() - begun
        plans = {id(taken.side.plan): taken.side.plan for taken in self._taken}.values()
        total = max(done, sum(plan.rounds * self._round_s(plan) for plan in plans))
        return BenchProgress("Measuring", round(done), round(total), "s", left_s=total - done)

    def _round_s(self, plan: Plan) -> float:
        """What a round takes: as the last one did, or as the plan says while there was none."""
        turns = [taken.last_turn_s for taken in self._taken if taken.side.plan is plan]
        return sum(turns) if all(turns) else plan.round_s
