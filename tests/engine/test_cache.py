"""The KV cache over a memory that knows what each cell saw: whatever is asked in whatever order, cells stay right."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from zlib import crc32

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from localcoder.engine import cache, generate, kv_shift, parking, prefill
from localcoder.engine.api import Ended, Event, Finished, ModelInfo, Request, Sampling, SpecialIds, Token
from localcoder.engine.cache import LARGEST_DROP, KVCache, Slot
from localcoder.engine.context import Context, DecodeAborted
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import Prefill
from localcoder.engine.speculate import Payoff

PREFIX, MIDDLE, SUFFIX = 1, 2, 3
END = 0


Seen = tuple[tuple[int, int], ...]
"""(position, token) of each."""


@dataclass
class Cell:
    """`seen` are the (position, token) that it was computed from, its own last."""

    position: int
    token: int
    seqs: set[int]
    seen: Seen = ()


class FakeModel:
    end_ids = frozenset({END})

    def piece(self, token: int) -> bytes:
        return b"x"


@dataclass
class FakeContext:
    """llama.cpp's memory, cell by cell, and in place of a model a rule for the next token."""

    n_cells: int
    window: int
    cells: list[Cell] = field(default_factory=list)
    looks: int | None = None
    """Decodes and looks at whether the work is void that are left until it is; None: it never is."""
    looks_until_pause: int | None = None
    """The same until it is to pause."""
    is_broken: bool = False
    """What is put into a sequence is not whole."""
    first_spare_sequence = 4
    spare_sequences = 12
    can_shift = True
    is_on_gpu = False
    n_threads = 1

    def __post_init__(self) -> None:
        special = SpecialIds(END, PREFIX, MIDDLE, SUFFIX)
        self.info = ModelInfo("fake", "", "", "", 0, 0, 20, 1000, self.n_cells, self.window, special, (END,))
        self.model = FakeModel()
        self.sampled: dict[int, list[Seen]] = {}

    def of(self, seq: int, p0: int = 0, p1: int = -1) -> list[Cell]:
        return [c for c in self.cells if seq in c.seqs and c.position >= p0 and (p1 < 0 or c.position < p1)]

    def seq_rm(self, seq: int, p0: int, p1: int) -> None:
        for cell in self.of(seq, p0, p1):
            cell.seqs.remove(seq)
        self.cells = [cell for cell in self.cells if cell.seqs]

    def seq_cp(self, source: int, target: int, p0: int, p1: int) -> None:
        for cell in self.of(source, p0, p1):
            cell.seqs.add(target)

    def seq_add(self, seq: int, p0: int, p1: int, delta: int) -> None:
        for cell in self.of(seq, p0, p1):
            cell.position += delta

    def seq_pos_max(self, seq: int) -> int:
        return max((cell.position for cell in self.of(seq)), default=-1)

    def sequence_state(self, seq: int) -> bytearray:
        return bytearray(pickle.dumps([(c.position, c.token, c.seen) for c in self.of(seq)]))

    def restore_sequence(self, seq: int, data: bytearray) -> bool:
        for position, token, seen in pickle.loads(data):
            self.cells.append(Cell(position, token, {seq}, seen))
        assert len(self.cells) <= self.n_cells, "no cells are left"
        return not self.is_broken

    def is_cancelled(self) -> bool:
        if self.looks:
            self.looks -= 1
        return self.looks == 0

    def is_paused(self) -> bool:
        if self.looks_until_pause:
            self.looks_until_pause -= 1
        return self.looks_until_pause == 0

    def decode(self, ids: Sequence[int], position: int, outputs: int = 0, seq: int = 0) -> None:
        self.decode_each([(token, position + i, seq) for i, token in enumerate(ids)])

    def decode_each(self, entries: Sequence[tuple[int, int, int]]) -> None:
        assert len(self.cells) + len(entries) <= self.n_cells, "no cells are left"
        assert len({seq for _, _, seq in entries}) in (1, len(entries))
        for token, position, seq in entries:
            assert self.seq_pos_max(seq) in (-1, position - 1), "llama.cpp refuses a gap"
            self.cells.append(Cell(position, token, {seq}))
            self.cells[-1].seen = tuple(sorted((each.position, each.token) for each in self.of(seq)))
        self.outputs = [cell.seen for cell in self.cells[-len(entries) :]]
        if self.is_cancelled() or self.is_paused():
            for _, position, seq in entries:
                self.seq_rm(seq, position, -1)
            raise DecodeAborted

    def sampler(self, sampling: Sampling, history: Sequence[int], alternative: int) -> FakeSampler:
        return FakeSampler(self, alternative)

    def use_threads(self, count: int) -> None:
        pass


@dataclass
class FakeSampler:
    llama: FakeContext
    alternative: int

    def sample(self, index: int) -> int:
        """From the last two tokens, so that what was said is said again and drafts are right. Keeps what it saw."""
        seen = self.llama.outputs[index]
        self.llama.sampled.setdefault(self.alternative, []).append(seen)
        number = crc32(bytes([self.alternative, *(token for _, token in seen[-2:])]))
        return END if number % 19 == 0 else 10 + number % 6

    def close(self) -> None:
        pass


class EveryDraftPays(Payoff):
    def timed(self, size: int, seconds: float) -> None:
        pass

    def observed(self, matched: int, *, right: bool) -> None:
        pass

    def batch(self, matched: int, available: int, largest: int) -> int:
        return min(available + 1, largest)


def prefill_of(llama: FakeContext, parked_limit_bytes: int = 0) -> Prefill:
    return Prefill(cast(Context, llama), parked_limit_bytes=parked_limit_bytes)


tokens = st.lists(st.integers(10, 15), max_size=4)
lines = st.lists(st.integers(10, 15), min_size=8, max_size=16)
looks = st.one_of(st.none(), st.integers(1, 12))


class Requests(RuleBasedStateMachine):
    """Someone types, deletes, moves and jumps in a text, asks for completions, and changes their mind."""

    @initialize(
        parked_bytes=st.sampled_from([0, 1000, 4000, 1 << 20]),
        sizes=st.sampled_from([(0, 44), (0, 64), (12, 16), (12, 33), (12, 64), (48, 52), (48, 64), (48, 96)]),
        before=lines,
        after=lines,
    )
    def start(self, parked_bytes: int, sizes: tuple[int, int], before: list[int], after: list[int]) -> None:
        self.window, n_cells = sizes
        self.before, self.after = tuple(before), tuple(after)
        self.llama = FakeContext(n_cells, self.window)
        self.generator = Generator(prefill_of(self.llama, parked_bytes))
        self.generator.prefill.payoff = EveryDraftPays()
        self.parked_bytes, self.size = parked_bytes, 8
        self.head: tuple[int, ...] = ()
        self.others: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    @property
    def ids(self) -> tuple[int, ...]:
        return (*self.head, PREFIX, SUFFIX, *self.after[: self.size], MIDDLE, *self.before[-self.size :])

    @rule(size=st.sampled_from([4, 6, 9, 13, 16]))
    def shows_more_or_less(self, size: int) -> None:
        """The window grows as it is read, and is another one when it was too large."""
        self.size = size

    @rule(head=st.sampled_from([(), (16, 17, 18, 19), (16, 17, 18, 19, 19, 18)]))
    def shows_other_files(self, head: tuple[int, ...]) -> None:
        self.head = head

    @rule(typed=tokens)
    def types(self, typed: list[int]) -> None:
        self.before = (*self.before, *typed)

    @rule(count=st.integers(1, 6))
    def deletes(self, count: int) -> None:
        self.before = self.before[:-count]

    @rule(count=st.integers(1, 4))
    def moves_up(self, count: int) -> None:
        self.before, self.after = self.before[:-count], self.before[-count:] + self.after

    @rule(count=st.integers(1, 4))
    def moves_down(self, count: int) -> None:
        self.before, self.after = self.before + self.after[:count], self.after[count:]

    @rule(before=lines, after=lines)
    def opens_another_file(self, before: list[int], after: list[int]) -> None:
        self.others.append((self.before, self.after))
        self.before, self.after = tuple(before), tuple(after)

    @precondition(lambda self: self.others)
    @rule(data=st.data())
    def goes_back_to_a_file(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.others) - 1))
        (self.before, self.after), self.others[index] = self.others[index], (self.before, self.after)

    @rule(looks=looks, exact=st.booleans())
    def reads_ahead(self, looks: int | None, exact: bool) -> None:
        self.llama.looks = looks
        self.generator.prefill.warm(self.ids, self.llama.is_cancelled, exact=exact)
        self.llama.looks = None
        if looks is None:
            lacking = len(self.ids) - 1 - self.generator.prefill.cache.reusable(self.ids, exact=exact)
            assert lacking <= (0 if exact else cache.EXACT_IS_WORTH)

    @rule(
        looks=looks,
        pauses=st.lists(st.integers(1, 6), max_size=3),
        max_tokens=st.integers(1, 12),
        alternatives=st.sampled_from([1, 1, 2, 5]),
        drafts=st.booleans(),
    )
    def asks(self, looks: int | None, pauses: list[int], max_tokens: int, alternatives: int, drafts: bool) -> None:
        """And lets others go first, if it is one text."""
        ids = self.ids
        reusable = self.generator.prefill.reusable(ids)
        self.llama.looks, self.llama.sampled = looks, {}
        request = Request(ids, max_tokens, alternatives=alternatives, drafts=drafts)
        self.llama.looks_until_pause = pauses.pop() if pauses and alternatives == 1 else None
        events: list[Event] = []
        for event in self.generator.generate(request, 0.0, self.llama.is_cancelled, self.llama.is_paused):
            if event is None:
                self.others_go_first()
                if not events:
                    # It may have had no place yet.
                    reusable = min(reusable, self.generator.prefill.reusable(ids))
                self.llama.looks_until_pause = pauses.pop() if pauses else None
            else:
                events.append(event)
        self.llama.looks = self.llama.looks_until_pause = None
        finished = events.pop()
        assert isinstance(finished, Finished)
        if not self.llama.is_broken and (events or finished.reason != "cancelled"):
            assert finished.stats.tokens_reused >= reusable - cache.SMALLEST_LOSS
        branches = [
            [event.id for event in events if isinstance(event, Token) and event.alternative == i]
            for i in range(alternatives)
        ]
        for branch, said in enumerate(branches):
            for i, seen in enumerate(self.llama.sampled.get(branch, ())):
                assert seen == self.visible((*ids, *said[:i]))
        if looks is None:
            ended = {event.alternative: event.reason for event in events if isinstance(event, Ended)}
            for branch, said in enumerate(branches):
                reason = ended[branch] if alternatives > 1 else finished.reason
                room = max_tokens if self.window else min(max_tokens, self.llama.n_cells - len(ids))
                assert len(said) == room if reason == "length" else reason == "end"

    def others_go_first(self) -> None:
        looks, sampled = self.llama.looks, self.llama.sampled
        self.llama.looks = self.llama.looks_until_pause = None
        self.llama.sampled = {}
        before, after = self.others[-1] if self.others else (self.after, self.before)
        for ids in ((PREFIX, SUFFIX, *after, MIDDLE, *before), (PREFIX, SUFFIX, *before[:5], MIDDLE, *after)):
            list(self.generator.generate(Request(ids[: self.llama.n_cells // 2], 2), 0.0, lambda: False))
        self.llama.looks, self.llama.sampled = looks, sampled

    @rule()
    def cannot_be_restored(self) -> None:
        """What was parked is damaged: it is read again."""
        self.llama.is_broken = not self.llama.is_broken

    def visible(self, ids: Sequence[int]) -> Seen:
        """What the last of these ids has to be computed from."""
        return tuple(enumerate(ids))[-self.window if self.window else 0 :]

    @invariant()
    def cells_are_right(self) -> None:
        llama = self.llama
        assert len(llama.cells) <= llama.n_cells
        slots = self.generator.prefill.cache.slots
        for slot in slots:
            assert 0 <= slot.archived <= slot.first <= len(slot.ids) and slot.exact <= len(slot.ids)
            live = {cell.position: cell for cell in llama.of(slot.live)}
            kept = live | {cell.position: cell for cell in llama.of(slot.live + 1)}
            assert sorted(cell.position for cell in llama.of(slot.live)) == list(range(slot.first, len(slot.ids)))
            assert sorted(kept) == list(range(slot.archived, len(slot.ids)))
            for position, cell in kept.items():
                assert cell.token == slot.ids[position]
                if position < slot.exact:
                    assert cell.seen == self.visible(slot.ids[: position + 1])
        used = {seq for slot in slots for seq in (slot.live, slot.live + 1)}
        assert all(cell.seqs <= used for cell in llama.cells), "an alternative or a move left its cells behind"

    @invariant()
    def copies_are_right_and_bounded(self) -> None:
        parking = self.generator.prefill._parking
        assert parking.size_bytes <= self.parked_bytes
        for copy in parking._parked:
            cells = pickle.loads(copy.data)
            assert sorted(position for position, _, _ in cells) == list(range(copy.first, len(copy.ids)))
            for position, token, seen in cells:
                assert token == copy.ids[position]
                if position < copy.exact:
                    assert seen == self.visible(copy.ids[: position + 1])


def test_cells_are_right_whatever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the measures of the real thing made small, so that every limit is met often."""
    for module, name, value in [
        (generate, "READ_SLICE", 4),
        (prefill, "READ_SLICE", 4),
        (prefill, "AHEAD_SLICE", 2),
        (prefill, "AHEAD_S", 0.0),
        (prefill, "MEASURED_TOKENS", 2),
        (cache, "LARGEST_DROP", 6),
        (cache, "SHIFT_SAVES", 3),
        (cache, "EXACT_IS_WORTH", 2),
        (cache, "SMALLEST_LOSS", 2),
        (parking, "SMALLEST_LOSS", 2),
        (parking, "SMALLEST_SNAPSHOT", 3),
        (prefill, "SMALLEST_SNAPSHOT", 3),
        (prefill, "EXACT_IS_WORTH", 2),
        (kv_shift, "_PROBE", 3),
        (kv_shift, "_SEAM", 2),
    ]:
        monkeypatch.setattr(module, name, value)
    run_state_machine_as_test(Requests, settings=settings(max_examples=300, stateful_step_count=30, deadline=None))


def test_reading_ahead_leaves_the_text_that_was_asked_for_last() -> None:
    """Both slots begin alike, and what is read ahead has no more in common with either."""
    generator = Generator(prefill_of(FakeContext(n_cells=2000, window=0)))
    head, rest = (PREFIX, SUFFIX, MIDDLE), LARGEST_DROP + 40
    older, latest, ahead = ((*head, *[token] * rest) for token in (10, 11, 12))
    for ids in (older, latest):
        list(generator.generate(Request(ids, 1), 0.0, lambda: False))
    generator.prefill.warm(ahead, lambda: False)
    assert generator.prefill.reusable(latest, exact=True) == len(latest) - 1
    assert generator.prefill.reusable(ahead, exact=True) == len(ahead) - 1


class Interrupting(tuple[int, ...]):
    """A prompt in the middle of whose comparison the other thread takes ids away."""

    slot: Slot

    def __len__(self) -> int:
        self.slot.truncate(2)
        return super().__len__()


@pytest.mark.parametrize("exact", [False, True])
def test_an_estimate_while_the_slot_changes(exact: bool) -> None:
    """The reader thread of the worker asks what is held while the other one computes."""
    llama = FakeContext(n_cells=100, window=0)
    kv = KVCache(llama, 100, 0, n_slots=1)
    slot = kv.acquire(range(10)).slot
    slot.appended(range(10))
    prompt = Interrupting(range(10))
    prompt.slot = slot
    assert 0 <= kv.reusable(prompt, exact=exact) < 10
    assert list(slot.ids) == [0, 1]
