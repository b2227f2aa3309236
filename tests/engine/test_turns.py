"""Requests, pauses, cancels and reading ahead in any order on the real worker, against the simplest model of it.

The worker computes in a thread of the test's process and is held after each event, or in the middle of a batch: what is
asked next arrives at that moment, and nothing depends on how fast the machine is.
"""

from __future__ import annotations

import io
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from inspect import getsource
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from localcoder.engine import cache, context, prefill
from localcoder.engine.api import Finished, ReadProgress, Request, Sampling, Token
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import Prefill
from localcoder.engine.speculate import BATCHES
from localcoder.engine.wire import (
    Answer,
    Cancel,
    Done,
    Failed,
    Load,
    Ping,
    Question,
    Save,
    Score,
    Scores,
    Warm,
    decode_answer,
    encode,
)
from localcoder.engine.worker import Worker, _Loaded
from tests.engine.test_interleavings import ROUNDING, at_each_node

LONGEST = 16
"""Tokens that a request asks for at most."""
PARKED_BYTES = 1 << 20
"""Some of the texts: others have to be read again."""
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Text:
    """A prompt, and the tokens after it, as far as each is likelier than any other by more than rounding."""

    ids: tuple[int, ...]
    said: tuple[int, ...]


class HeldContext(Context):
    """Stops in the middle of a batch, after so many graph nodes."""

    nodes_left: int | None = None
    hold: Callable[[], None] = staticmethod(lambda: None)

    def _set_abort_check(self, check: Any) -> None:
        self._counting = at_each_node(self._count, check)
        super()._set_abort_check(self._counting)

    def _count(self) -> None:
        if self.nodes_left is not None:
            self.nodes_left -= 1
            if self.nodes_left <= 0:
                self.nodes_left = None
                self.hold()


class HeldWorker(Worker):
    """Says what it says to the test, and is held after each event that does not end a request."""

    def __init__(self, context: HeldContext) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        super().__init__(cast(BinaryIO, iter(self._lines.get, None)), io.BytesIO())
        self.context = context
        context.hold = self._hold
        self.said: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
        self._number = 0
        self._pongs: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._pings: set[int] = set()
        self._lock_of_steps = threading.Condition()
        self._steps = 0.0
        self.is_held = False
        self._computing = threading.Thread(target=self.run, daemon=True)
        self._computing.start()

    def begin(self) -> None:
        """With nothing in the cache and nothing parked."""
        self.said = queue.SimpleQueue()
        self.context.clear_abort()
        for seq in range(self.context.first_spare_sequence):
            self.context.seq_rm(seq, 0, -1)
        generator = Generator(Prefill(self.context, parked_limit_bytes=PARKED_BYTES))
        self._loaded = _Loaded(self.context, generator)

    def ask(self, question: Question, number: int | None = None) -> int:
        """Have it arrive; returns its number once the worker knows of it."""
        if number is None:
            self._number = number = self._number + 1
        self._number += 1
        self._pings.add(self._number)
        self._lines.put(encode(number, question))
        self._lines.put(encode(self._number, Ping()))
        assert self._pongs.get(timeout=PATIENCE_S) == self._number
        return number

    def finish(self) -> None:
        """Have it compute all that it was asked: saving has its turn when nothing else is left."""
        self.go_on(float("inf"))
        last, said = self.ask(Save()), []
        while (answer := self.said.get(timeout=PATIENCE_S))[0] != last:
            said.append(answer)
        for answer in said:
            self.said.put(answer)
        self.go_on(0)

    def go_on(self, steps: float, nodes: int | None = None) -> None:
        with self._lock_of_steps:
            self._steps, self.is_held = steps, False
            self.context.nodes_left = nodes
            self._lock_of_steps.notify_all()

    def _send(self, number: int, answer: Answer) -> None:
        number, answer = decode_answer(encode(number, answer))
        if number in self._pings:
            self._pings.remove(number)
            self._pongs.put(number)
            return
        self.said.put((number, answer))
        if threading.current_thread() is self._computing and not is_end(answer):
            self._hold()

    def _hold(self) -> None:
        with self._lock_of_steps:
            while self._steps <= 0:
                self.is_held = True
                self._lock_of_steps.wait()
            self.is_held = False
            self._steps -= 1


def is_end(answer: Answer) -> bool:
    return isinstance(answer, (Finished, Done, Failed))


Kind = Literal["long", "key", "ahead", "score"]


@dataclass
class Asked:
    """What the model knows of a request."""

    kind: Kind
    text: Text
    tokens: int = 0
    drafts: bool = False
    is_cancelled: bool = False
    said: list[int] = field(default_factory=list)
    has_begun: bool = False
    end: Answer | None = None
    late: int = 0
    """Events that came when it should have stopped: tokens of a batch that was computed already."""

    def has_to_stop(self, others: list[Asked]) -> bool:
        """Whether it is over, or it is another's turn."""
        key_waits = any(each.kind == "key" and each.end is None for each in others)
        return self.is_cancelled or (self.kind != "key" and key_waits)


class Turns(RuleBasedStateMachine):
    """The model: a list of all that were asked, and which of them each message ends."""

    def __init__(self, worker: HeldWorker, texts: list[Text], endless: tuple[tuple[int, float], ...]) -> None:
        super().__init__()
        self.worker, self.texts, self.endless = worker, texts, endless
        self.asked: dict[int, Asked] = {}
        self.worker.begin()

    @property
    def open(self) -> list[Asked]:
        return [each for each in self.asked.values() if each.end is None]

    def ask(self, question: Question, asked: Asked) -> None:
        for each in self.open:
            if each.kind == "ahead" and asked.kind != "score":
                each.is_cancelled = True
            if each.kind != "long" and asked.kind == "key":
                each.is_cancelled = True
        self.asked[self.worker.ask(question)] = asked
        self.settle()

    def request(self, kind: Kind, text: int, tokens: int, drafts: bool) -> None:
        asked = Asked(kind, self.texts[text % len(self.texts)], 0, drafts)
        asked.tokens = min(tokens, len(asked.text.said))
        sampling = Sampling(logit_bias=self.endless)
        request = Request(asked.text.ids, asked.tokens, sampling, drafts=drafts, gives_way=kind == "long")
        self.ask(request, asked)

    @rule(text=st.integers(0, 20), tokens=st.integers(1, LONGEST), drafts=st.booleans())
    def asks_for_much(self, text: int, tokens: int, drafts: bool) -> None:
        self.request("long", text, tokens, drafts)

    @rule(text=st.integers(0, 20), tokens=st.integers(1, 3))
    def presses_a_key(self, text: int, tokens: int) -> None:
        self.request("key", text, tokens, drafts=False)

    @rule(text=st.integers(0, 20), exact=st.booleans())
    def reads_ahead(self, text: int, exact: bool) -> None:
        asked = Asked("ahead", self.texts[text % len(self.texts)])
        self.ask(Warm(asked.text.ids, exact), asked)

    @rule(text=st.integers(0, 20))
    def scores(self, text: int) -> None:
        asked = Asked("score", self.texts[text % len(self.texts)])
        self.ask(Score(asked.text.ids, 10, 0), asked)

    @precondition(lambda self: self.asked)
    @rule(back=st.integers(0, 5))
    def cancels(self, back: int) -> None:
        """Also what has ended by then: its end may be on its way."""
        numbers = sorted(self.asked)
        number = numbers[-1 - back % len(numbers)]
        self.asked[number].is_cancelled = True
        self.worker.ask(Cancel("this"), number)
        self.settle()

    @precondition(lambda self: self.asked)
    @rule()
    def cancels_all(self) -> None:
        for each in self.open:
            each.is_cancelled = True
        self.worker.ask(Cancel("all"), max(self.asked))
        self.settle()

    @rule(steps=st.integers(1, 12), nodes=st.one_of(st.none(), st.integers(1, 400)))
    def computes(self, steps: int, nodes: int | None) -> None:
        self.worker.go_on(steps, nodes)
        self.settle()

    def settle(self) -> None:
        """Until it is held, or has nothing to do."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            is_held = self.worker.is_held
            self.hear()
            if is_held or not self.open:
                break
            assert time.monotonic() < deadline, self.open
            time.sleep(0.0002)
        assert sum(each.is_cancelled for each in self.open) <= 2, "only what computes or pauses has yet to end"

    def hear(self) -> None:
        while not self.worker.said.empty():
            number, answer = self.worker.said.get()
            asked = self.asked[number]
            assert asked.end is None, f"after its end: {answer}"
            if is_end(answer):
                asked.end = answer
                self.check_end(asked, answer)
            else:
                self.check_event(asked, answer)

    def check_event(self, asked: Asked, answer: Answer) -> None:
        others = [each for each in self.open if each is not asked]
        if asked.has_to_stop(others):
            asked.late += 1
            assert isinstance(answer, Token) and asked.late <= (max(BATCHES) if asked.drafts else 1), f"late: {answer}"
        asked.has_begun = True
        if asked.kind == "long":
            assert not any(each.kind == "long" and each.has_begun for each in others)
        if asked.kind == "score":
            assert isinstance(answer, Scores)
            return
        assert isinstance(answer, (ReadProgress, Token))
        if isinstance(answer, Token) and answer.id >= 0:
            asked.said.append(answer.id)
            assert tuple(asked.said) == asked.text.said[: len(asked.said)], "as uninterrupted"

    def check_end(self, asked: Asked, answer: Answer) -> None:
        if asked.kind == "ahead":
            assert answer == Done()
        elif asked.kind == "score":
            # It may have said everything by the time when it was cancelled.
            assert answer == Done() or (asked.is_cancelled and isinstance(answer, Failed))
        else:
            assert isinstance(answer, Finished)
            is_whole = len(asked.said) == asked.tokens
            assert answer.reason == ("length" if is_whole else "cancelled")
            assert is_whole or asked.is_cancelled
            assert answer.stats.tokens_generated == len(asked.said)

    def teardown(self) -> None:
        self.worker.finish()
        self.hear()
        assert not self.open


@pytest.fixture(scope="module")
def held(demo_model: Path) -> HeldWorker:
    """With one thread: how the attention of one token is split between threads rounds differently."""
    return HeldWorker(HeldContext(Load(str(demo_model), 1)))


def texts_of(llama: Context, bias: tuple[tuple[int, float], ...]) -> list[Text]:
    """Some that begin like another one, as what is typed does."""
    generator, found = Generator(Prefill(llama)), []
    source = "".join(map(getsource, (cache, prefill, context)))
    for start in range(0, len(source) - 400, 400):
        for length in (200, 300):
            ids = tuple(llama.model.tokenize(source[start : start + length]))
            events = generator.generate(Request(ids, LONGEST, Sampling(logit_bias=bias)), 0.0, lambda: False)
            said = tuple(event.id for event in events if isinstance(event, Token) and event.id >= 0)
            found.append(Text(ids, said[: sure(generator.prefill, ids, said)]))
    for slot in generator.prefill.cache.slots:
        slot.clear()
    return sorted(found, key=lambda each: -len(each.said))[:12]


def sure(prefill: Prefill, ids: tuple[int, ...], said: tuple[int, ...]) -> int:
    """How many of these tokens are likelier than any other one by more than two roundings."""
    scores = (score for scores in prefill.score(ids + said, len(ids), 2, lambda: False) for score in scores)
    for i, (token, score) in enumerate(zip(said, scores, strict=True)):
        (best, first), (_, second) = score.top
        if best != token or first - second < 2 * ROUNDING:
            return i
    return len(said)


def test_any_order_of_asking_pausing_and_cancelling(held: HeldWorker) -> None:
    endless = tuple((i, -1e9) for i in held.context.model.end_ids)
    texts = texts_of(held.context, endless)
    assert len(texts[-1].said) >= 8, "long enough to be interrupted"
    machine = cast(type[Turns], partial(Turns, held, texts, endless))
    run_machine(machine, settings=settings(deadline=None, max_examples=100, stateful_step_count=30))
