"""Whose turn it is: any order of asking, going and finishing, against the simplest model of it, and the ends of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from localcoder.completion import scheduler as module
from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document
from localcoder.completion.scheduler import Busy, Overtaken, Scheduler, Urgency
from localcoder.engine.api import Event, Finished, ModelInfo, Request, Sampling, Stats, Token
from localcoder.errors import LocalcoderError
from tests.completion.word_engine import WordEngine

_STEPS = 40
"""Turns of the loop after which everything that can go on has gone on; a completion takes about ten."""


class GatedEngine(WordEngine):
    """Generates when it is let; a request is known by its seed, which the tests use as its number.

    `running` are those that do not give way, `pausing` those that do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: list[int] = []
        self.pausing: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.most_at_once = 0

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        number, kind = request.sampling.seed, self.pausing if request.gives_way else self.running
        kind.append(number)
        self.most_at_once = max(self.most_at_once, len(kind))
        gate = self.gates[number] = asyncio.Event()
        try:
            await gate.wait()
            yield Token((await self.tokenize(["x"]))[0][0], "x")
            yield Finished("end", Stats(1, 0, 1, 0.0, 1.0, 0.0))
        finally:
            kind.remove(number)


@dataclass
class Asked:
    """What the model knows of a request: `outcome` None while it runs or waits."""

    number: int
    urgency: Urgency
    client: str | None
    task: asyncio.Task[list[TextDelta | Completion]]
    outcome: str | None = None


async def collect(
    scheduler: Scheduler, number: int, client: str | None, urgency: Urgency
) -> list[TextDelta | Completion]:
    document, options = Document(f"value_{number} = ", 8), Options(sampling=Sampling(seed=number))
    return [update async for update in scheduler.run(document, options, client=client, urgency=urgency)]


async def settle() -> None:
    for _ in range(_STEPS):
        await asyncio.sleep(0)


async def come_to_the_end(tasks: Sequence[asyncio.Task[object]]) -> None:
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)


def outcome_of(task: asyncio.Task[object]) -> str | None:
    if not task.done():
        return None
    if task.cancelled():
        return "gone"
    error = task.exception()
    return "answered" if error is None else type(error).__name__


class Turns(RuleBasedStateMachine):
    """The model: a list of who waits, who runs, and who runs but pauses for whoever runs."""

    @initialize(limit=st.integers(1, 5))
    def open(self, limit: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine = GatedEngine()
        self.scheduler = Scheduler(self.engine)
        self.limit, self.usual_limit = limit, module.QUEUE_LIMIT
        module.QUEUE_LIMIT = limit
        self.asked: list[Asked] = []
        self.running: Asked | None = None
        self.pausing: Asked | None = None
        self.waiting: list[Asked] = []
        self.ahead: int | None = None
        self.read: list[int] = []
        self.aheads: list[asyncio.Task[None]] = []

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            module.QUEUE_LIMIT = self.usual_limit
            self.scheduler.end()
            self.settle(come_to_the_end([*(each.task for each in self.asked), *self.aheads]))
            self.settle()
            tasks = asyncio.all_tasks(self.loop)
            self.loop.close()
            assert not tasks, "everything has come to its end"

    def settle(self, work: Coroutine[Any, Any, None] | None = None) -> None:
        self.loop.run_until_complete(work or settle())

    def next(self) -> None:
        while self.running is None and self.waiting:
            first = min(self.waiting, key=lambda each: (each.urgency, each.number))
            if first.urgency is Urgency.KEYSTROKE:
                self.running = first
            elif self.pausing is None:
                self.pausing = first
            else:
                return
            self.waiting.remove(first)
        if self.running is None and self.pausing is None and self.ahead is not None:
            self.read.append(self.ahead)
            self.ahead = None

    def over(self, asked: Asked, outcome: str) -> None:
        asked.outcome = outcome
        if asked is self.running:
            self.running = None
        elif asked is self.pausing:
            self.pausing = None
        else:
            self.waiting.remove(asked)

    @rule(client=st.sampled_from([None, None, "vim", "code"]), urgency=st.sampled_from(Urgency))
    def ask(self, client: str | None, urgency: Urgency) -> None:
        number = len(self.asked) + 1
        task = self.loop.create_task(collect(self.scheduler, number, client, urgency))
        asked = Asked(number, urgency, client, task)
        self.asked.append(asked)
        present = (self.running, self.pausing, *self.waiting)
        older = [each for each in present if each and client and each.client == client]
        for each in older:
            self.over(each, "Overtaken")
        if not older and len(self.waiting) >= self.limit:
            asked.outcome = "Busy"
        else:
            self.waiting.append(asked)
        self.next()
        self.settle()

    @precondition(lambda self: self.running or self.pausing)
    @rule()
    def finish(self) -> None:
        asked = self.running or self.pausing
        assert asked is not None
        self.engine.gates[asked.number].set()
        self.over(asked, "answered")
        self.next()
        self.settle()

    @precondition(lambda self: self.running or self.pausing)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        present = [each for each in self.asked if each.outcome is None]
        asked = data.draw(st.sampled_from(present))
        asked.task.cancel()
        self.over(asked, "gone")
        self.next()
        self.settle()

    @rule()
    def read_ahead(self) -> None:
        number = len(self.aheads) + 1
        work = self.scheduler.read_ahead(Document("x\n" * number, 0), Options())
        self.aheads.append(self.loop.create_task(work))
        self.ahead = number
        self.next()
        self.settle()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "loop"):
            return
        assert [outcome_of(each.task) for each in self.asked] == [each.outcome for each in self.asked]
        assert self.engine.running == ([self.running.number] if self.running else [])
        assert self.engine.pausing == ([self.pausing.number] if self.pausing else [])
        assert self.engine.most_at_once <= 1
        (line_end,) = self.loop.run_until_complete(self.engine.tokenize(["\n"]))[0]
        assert [ids.count(line_end) for ids in self.engine.warmed] == self.read
        # Whoever wants something read ahead waits until it is begun, or something newer is wanted.
        waits = [task for task in self.aheads if not task.done()]
        assert waits == ([self.aheads[self.ahead - 1]] if self.ahead else [])


def test_any_order_of_asking_going_and_finishing() -> None:
    run_machine(Turns, settings=settings(deadline=None, max_examples=80, stateful_step_count=30))


async def test_who_does_not_take_what_it_gets_holds_up_nobody() -> None:
    engine = WordEngine()
    scheduler = Scheduler(engine)
    slow = scheduler.run(Document("slow = ", 7), Options())
    assert isinstance(await anext(slow), TextDelta)
    quick = [update async for update in scheduler.run(Document("quick = ", 8), Options())]
    assert isinstance(quick[-1], Completion)
    rest = [update async for update in slow]
    assert isinstance(rest[-1], Completion), "nothing of it is lost"


async def test_an_error_of_the_engine_reaches_who_asked_and_the_next_one_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = WordEngine()
    scheduler = Scheduler(engine)
    info, failures = engine.info, [LocalcoderError("It broke.", "Try again.")]

    async def fails_once() -> ModelInfo:
        if failures:
            raise failures.pop()
        return await info()

    monkeypatch.setattr(engine, "info", fails_once)
    with pytest.raises(LocalcoderError, match="It broke"):
        await anext(scheduler.run(Document("a = ", 4), Options()))
    assert [update async for update in scheduler.run(Document("a = ", 4), Options())]


async def test_who_finds_no_place_is_told_how_long_turns_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 1)
    engine = GatedEngine()
    scheduler = Scheduler(engine)
    tasks, told = [], []
    for number in range(2):
        tasks.append(asyncio.create_task(collect(scheduler, number, None, Urgency.KEYSTROKE)))
        await settle()
    for number in (2, 4):
        with pytest.raises(Busy) as refused:
            await collect(scheduler, number, None, Urgency.KEYSTROKE)
        told.append(refused.value.retry_after_s)
        if number == 2:
            await asyncio.sleep(1.1)
            engine.gates[0].set()
            await settle()
            tasks.append(asyncio.create_task(collect(scheduler, 3, None, Urgency.KEYSTROKE)))
            await settle()
    assert told == [1, 2]
    scheduler.end()
    await come_to_the_end(tasks)


async def test_when_it_ends_all_are_told_and_nobody_is_taken() -> None:
    engine = GatedEngine()
    scheduler = Scheduler(engine)
    tasks = [asyncio.create_task(collect(scheduler, i, None, Urgency.KEYSTROKE)) for i in range(3)]
    ahead = asyncio.create_task(scheduler.read_ahead(Document("x", 1), Options()))
    await settle()
    scheduler.end()
    for each in (*tasks, ahead, asyncio.create_task(collect(scheduler, 9, None, Urgency.KEYSTROKE))):
        with pytest.raises(LocalcoderError, match="ending"):
            await each
    await settle()
    assert not engine.running


def test_a_long_text_is_no_keystroke() -> None:
    assert Urgency.of(Options(max_tokens=128)) == Urgency.KEYSTROKE
    assert Urgency.of(Options(max_tokens=4096)) == Urgency.of(Options(max_tokens=96, alternatives=8))
    assert Urgency.of(Options(max_tokens=4096)) == Urgency.GENERATION
    assert issubclass(Busy, LocalcoderError) and issubclass(Overtaken, LocalcoderError)
