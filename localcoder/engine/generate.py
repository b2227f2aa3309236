"""One request on one context: read what the cache lacks, then decode and sample, token by token."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from localcoder.engine.api import Request, Stats, StopReason
from localcoder.engine.cache import KVCache, Placement, Slot
from localcoder.engine.kv_shift import Shift
from localcoder.engine.llama import DecodeAborted, Llama, Sampler, log_probability
from localcoder.engine.snapshots import SnapshotStore
from localcoder.engine.speculate import Lookup, Payoff
from localcoder.engine.vocab import TextStream
from localcoder.errors import LocalcoderError
from localcoder.hardware import OthersLoad
from localcoder.power import PowerWatch

READ_SLICE = 48
"""Tokens read between two looks at what else is wanted.

From 64 on llama.cpp's attention on a CPU takes other kernels, whose rounding differs by up to 0.07 in a logit from that
of small batches: below it, what is computed does not depend on how the reading was cut.
"""
FIRST_AHEAD_SLICE = 8
"""Tokens of the first batch when reading ahead; each one after it is twice as large."""
MEASURED_TOKENS = 16
"""Tokens of the smallest batch whose time says how fast this machine reads."""
BUSY_FROM = 0.4
"""Added to the cores that others use before rounding down: one counts as taken when it is busy more than 60 %."""
SMALLEST_SNAPSHOT = 64
"""Tokens below which reading again is as good as a file."""
PAST_WINDOW_SHARE = 64
"""Past the sliding window a batch has at most a 64th of it: its last token sees that many keys less one too many.

Measured on the bundled model with its window of 256, in nats a token against one token at a time: 0.0006 with batches
of 4, 0.002 with 16, 0.003 with 32, 0.009 with 64. Published models have a window of 4,096, so batches of 64.
"""


@dataclass
class _Branch:
    """One alternative while it is generated: `ids` were sampled, and the last one, `token`, is not decoded yet.

    Alternatives after the first have a sequence `seq` of their own while they are generated together.
    """

    number: int
    seq: int
    sampler: Sampler
    forced: bytes
    text: TextStream = field(default_factory=TextStream)
    ids: list[int] = field(default_factory=list)
    reason: StopReason | None = None

    @property
    def token(self) -> int:
        return self.ids[-1]


@dataclass
class _Clock:
    """When things happened, in seconds of `time.perf_counter`."""

    arrived: float
    first_token: float | None = None
    budget_s: float | None = None

    def token(self) -> None:
        self.first_token = self.first_token or time.perf_counter()

    @property
    def is_over(self) -> bool:
        budget, first = self.budget_s, self.first_token
        return budget is not None and first is not None and time.perf_counter() - first > budget


class Generator:
    """Runs requests one after the other on a model's context, and keeps what the KV cache holds between them."""

    def __init__(self, llama: Llama, snapshots: SnapshotStore | None = None, power: PowerWatch | None = None) -> None:
        self._llama = llama
        self._snapshots = snapshots
        middle = llama.info.special.fim_middle if llama.can_shift else None
        self.cache = KVCache(llama, llama.n_cells, llama.info.window, middle=middle)
        self.payoff = Payoff()
        self.read_tokens_per_s = 0.0
        self._others = OthersLoad()
        self._power = power or PowerWatch(is_on=False)
        self._measure_reading()

    def generate(self, request: Request, arrived: float, is_cancelled: Callable[[], bool]) -> Iterator[tuple[str, Any]]:
        """Events as (kind, value): "progress" [done, total, reused, elapsed_s], "token" [id, text, logprob,
        alternative], "ended" [alternative, reason] when there are several, and at last "finished" [reason, stats].

        Raises LocalcoderError for a prompt that the context cannot hold.
        """
        request = replace(request, max_tokens=min(request.max_tokens, self._room(request.ids)))
        self._adapt_threads()
        self._restore(request.ids)
        placement = self.cache.acquire(request.ids)
        slot, reused = placement.slot, placement.kept
        clock = _Clock(arrived, budget_s=request.time_budget_s)
        branches = self._branches(request, slot)
        read = 0
        try:
            for done in self._read_at(placement, request.ids, is_cancelled):
                read = done - reused
                yield "progress", [done, len(request.ids), reused, time.perf_counter() - arrived]
            for branch in branches:
                yield from self._sample(branch, -1, request, clock)
            if len(branches) > 1:
                yield from self._go_on_together(branches, request, slot, clock, is_cancelled)
            for branch in (each for each in branches if each.reason is None):
                yield from self._go_on(branch, request, slot, clock, is_cancelled)
                if len(branches) > 1:
                    yield "ended", [branch.number, branch.reason]
        except DecodeAborted:
            for branch in branches:
                branch.reason = branch.reason or "cancelled"
        finally:
            for branch in branches:
                branch.sampler.close()
        for branch in branches:
            if rest := branch.text.finish():
                yield "token", [-1, rest, None, branch.number]
        yield "finished", [branches[0].reason, asdict(_stats(read, reused, branches, clock))]

    def warm(self, ids: Sequence[int], is_cancelled: Callable[[], bool]) -> None:
        """Read ahead, as far as nothing else is wanted."""
        if not ids:
            return
        self._room(ids)
        self._restore(ids)
        slot = self.cache.acquire(ids, ahead=True).slot
        # A request that comes meanwhile ends the batch that runs, and its work is lost: small batches first, so that
        # reading gets on between the keystrokes of someone who types, and larger, faster ones when nobody does.
        sizes = (FIRST_AHEAD_SLICE << i for i in itertools.count())
        try:
            for _ in self.read(slot, ids, is_cancelled, sizes):
                pass
        except DecodeAborted:
            return

    def reusable(self, ids: Sequence[int], *, exact: bool = False) -> int:
        """How many of `ids` need not be read, by the cache or a snapshot. May be called from another thread.

        With `exact`, cells that were shifted do not count.
        """
        held = self.cache.reusable(ids, exact=exact)
        if self._snapshots is None:
            return held
        return max(held, self._snapshots.best(ids, self._llama.info.window)[1])

    def save(self) -> None:
        """Keep on disk what the cache holds."""
        if self._snapshots is None:
            return
        for slot in self.cache.slots:
            if slot.exact == len(slot.ids) >= SMALLEST_SNAPSHOT:
                self._snapshots.write(slot.ids, slot.first, self._llama.sequence_state(slot.live))

    def _restore(self, ids: Sequence[int]) -> None:
        """Load a snapshot if that saves much reading."""
        if self._snapshots is None:
            return
        snapshot, saved = self._snapshots.best(ids, self._llama.info.window)
        if snapshot is None or saved < self.cache.reusable(ids) + SMALLEST_SNAPSHOT:
            return
        data = self._snapshots.read(snapshot)
        if data is not None:
            self.cache.restore(snapshot.ids, snapshot.first, lambda seq: self._llama.restore_sequence(seq, data))

    def _read_at(self, placement: Placement, ids: Sequence[int], is_cancelled: Callable[[], bool]) -> Iterator[int]:
        """Read what the place lacks of `ids`; yields how many it holds after each batch."""
        shift, slot = placement.shift, placement.slot
        if shift is not None:
            for done in self._fill(slot, shift, ids, is_cancelled):
                yield placement.kept + done
        yield from self.read(slot, ids, is_cancelled)

    def _fill(self, slot: Slot, shift: Shift, ids: Sequence[int], is_cancelled: Callable[[], bool]) -> Iterator[int]:
        """Read the ids before the cells that are kept, in a sequence of its own, and shift those behind them.

        Yields how many were read after each batch. Until all are, the slot holds what it held: an abort loses nothing.
        """
        scratch, position = self._llama.first_spare_sequence, shift.head
        self._llama.seq_cp(slot.live, scratch, 0, shift.head)
        try:
            while position < shift.to:
                if is_cancelled():
                    raise DecodeAborted
                batch = ids[position : min(position + READ_SLICE, shift.to)]
                self.cache.prepare(slot, shift.to - shift.head)
                self._llama.decode(batch, position, 0, scratch)
                position += len(batch)
                yield position - shift.head
            slot.shift(shift, ids, scratch)
        finally:
            self._llama.seq_rm(scratch, 0, -1)

    def read(
        self,
        slot: Slot,
        ids: Sequence[int],
        is_cancelled: Callable[[], bool],
        sizes: Iterable[int] | None = None,
    ) -> Iterator[int]:
        """Decode what the slot lacks of `ids`; yields how many it holds after each batch."""
        for size in sizes or itertools.repeat(READ_SLICE):
            position = len(slot.ids)
            if position >= len(ids):
                return
            if is_cancelled():
                raise DecodeAborted
            self._adapt_threads()
            batch = ids[position : position + min(size, self._largest_batch(position))]
            self.decode(slot, batch, outputs=int(position + len(batch) == len(ids)))
            yield len(slot.ids)

    def decode(self, slot: Slot, ids: Sequence[int], outputs: int) -> None:
        """Decode ids that come next in the slot; the last `outputs` of them get logits. Raises DecodeAborted."""
        self.cache.prepare(slot, len(ids))
        start = time.perf_counter()
        try:
            self._llama.decode(ids, len(slot.ids), outputs, slot.live)
        except DecodeAborted:
            slot.recover(ids)
            raise
        slot.appended(ids)
        seconds = time.perf_counter() - start
        self.payoff.timed(len(ids), seconds)
        if len(ids) >= MEASURED_TOKENS:
            self.read_tokens_per_s = len(ids) / seconds

    def _adapt_threads(self) -> None:
        """Leave the cores that other programs keep busy to them: threads that share a core wait for each other.

        Where power is short, half of the threads have to do.
        """
        taken = self._others.cores()
        if taken is not None:
            threads = self._llama.n_threads // 2 if self._power.now.is_short else self._llama.n_threads
            self._llama.use_threads(max(1, threads - int(taken + BUSY_FROM)))

    def _measure_reading(self) -> None:
        """Read a few tokens once: it touches every weight, and says how fast this machine reads."""
        slot = self.cache.acquire(range(MEASURED_TOKENS + 1)).slot
        self.decode(slot, range(MEASURED_TOKENS), outputs=1)
        slot.clear()

    def _largest_batch(self, position: int) -> int:
        window = self._llama.info.window
        if not window or position + READ_SLICE <= window:
            return READ_SLICE
        return max(1, window // PAST_WINDOW_SHARE, min(READ_SLICE, window - position))

    def _room(self, ids: Sequence[int]) -> int:
        """How many tokens the context can hold after these. Raises LocalcoderError when it cannot hold these."""
        window, n_cells = self._llama.info.window, self._llama.n_cells
        if window and n_cells >= window + max(READ_SLICE, window // PAST_WINDOW_SHARE):
            return sys.maxsize
        if len(ids) > n_cells:
            raise LocalcoderError(
                f"The prompt has {len(ids)} tokens, and the context holds {n_cells}.", "Shorten it.", exit_code=2
            )
        return max(1, n_cells - len(ids))

    def _branches(self, request: Request, slot: Slot) -> list[_Branch]:
        count = min(request.alternatives, self._llama.spare_sequences + 1)
        history = request.ids if request.sampling.repeat_penalty != 1.0 else ()
        return [
            _Branch(
                number=i,
                seq=slot.live if i == 0 else self._llama.first_spare_sequence + i - 1,
                sampler=self._llama.sampler(request.sampling, history, alternative=i),
                forced=request.forced,
            )
            for i in range(count)
        ]

    def _go_on(
        self, branch: _Branch, request: Request, slot: Slot, clock: _Clock, is_cancelled: Callable[[], bool]
    ) -> Iterator[tuple[str, Any]]:
        """Decode and sample one branch in the slot, several tokens at a time where a draft is likely to be right."""
        ids = (*request.ids, *branch.ids)
        if branch.number > 0:
            slot.keep_prefix(ids[:-1])
            for _ in self.read(slot, ids[:-1], is_cancelled):
                pass
        lookup = Lookup(ids) if request.drafts else None
        while branch.reason is None:
            if is_cancelled():
                raise DecodeAborted
            self._adapt_threads()
            draft = self._draft(lookup, len(slot.ids), request.max_tokens - len(branch.ids))
            position = len(slot.ids)
            self.decode(slot, [branch.token, *draft.verified], outputs=1 + len(draft.verified))
            accepted = 0
            for index in range(1 + len(draft.verified)):
                output = index - 1 - len(draft.verified)
                yield from self._sample(branch, output, request, clock)
                if lookup is not None and branch.reason is None:
                    lookup.append(branch.token)
                right = branch.reason is None and index < len(draft.ids) and branch.token == draft.ids[index]
                if index < len(draft.ids):
                    self.payoff.observed(draft.matched, right=right)
                if not right:
                    break
                accepted += index < len(draft.verified)
            if accepted < len(draft.verified):
                slot.truncate(position + 1 + accepted)

    def _draft(self, lookup: Lookup | None, position: int, wanted: int) -> _Draft:
        if lookup is None:
            return _Draft(0, (), ())
        # Past the window a batch sees a few keys too many, and greedy output has to stay the same.
        window = self._llama.info.window or position + READ_SLICE
        largest = max(0, min(READ_SLICE, window - position))
        matched, ids = lookup.draft(min(largest, wanted))
        size = self.payoff.batch(matched, len(ids), largest)
        return _Draft(matched, tuple(ids), tuple(ids[: size - 1]))

    def _go_on_together(
        self, branches: list[_Branch], request: Request, slot: Slot, clock: _Clock, is_cancelled: Callable[[], bool]
    ) -> Iterator[tuple[str, Any]]:
        """Decode all branches in one batch a step, one token each, while there are several and the cache has room.

        The first goes on in the slot, the others in sequences of their own that share the prompt's cells.
        """
        position, active = len(request.ids), branches
        try:
            for branch in branches[1:]:
                self._llama.seq_cp(slot.live, branch.seq, 0, -1)
            while True:
                for branch in (each for each in active if each.reason is not None):
                    yield "ended", [branch.number, branch.reason]
                    if branch.number > 0:
                        self._llama.seq_rm(branch.seq, 0, -1)
                active = [branch for branch in active if branch.reason is None]
                others = [branch for branch in active if branch.number > 0]
                if is_cancelled():
                    raise DecodeAborted
                visible_from = slot.visible_from(position)
                own = position + 1 - max(len(request.ids), visible_from)
                if not others or not self.cache.prepare(slot, 1 + len(others) * own):
                    return
                for branch in others:
                    self._llama.seq_rm(branch.seq, 0, visible_from)
                self._llama.decode_each([(branch.token, position, branch.seq) for branch in active])
                position += 1
                for index, branch in enumerate(active):
                    if branch.number == 0:
                        slot.appended([branch.token])
                    yield from self._sample(branch, index, request, clock)
        finally:
            for branch in branches[1:]:
                self._llama.seq_rm(branch.seq, 0, -1)

    def _sample(self, branch: _Branch, output: int, request: Request, clock: _Clock) -> Iterator[tuple[str, Any]]:
        """Choose the branch's next token from an output of the last batch, and say it unless it ends the branch."""
        if branch.forced:
            self._llama.allow_only(output, branch.forced)
        token = branch.sampler.sample(output)
        logprob = log_probability(self._llama.logits(output), token) if request.logprobs else None
        clock.token()
        if token in self._llama.end_ids:
            branch.reason = "end"
            return
        piece = self._llama.piece(token)
        # What was forced stands in the prompt's text already.
        said, branch.forced = piece[len(branch.forced) :], branch.forced[len(piece) :]
        branch.ids.append(token)
        yield "token", [token, branch.text.feed(said), logprob, branch.number]
        if clock.is_over:
            branch.reason = "time"
        elif len(branch.ids) >= request.max_tokens:
            branch.reason = "length"


@dataclass(frozen=True)
class _Draft:
    """Ids that may come next, after how many that matched, and those of them that the next batch verifies."""

    matched: int
    ids: tuple[int, ...]
    verified: tuple[int, ...]


def _stats(read: int, reused: int, branches: Sequence[_Branch], clock: _Clock) -> Stats:
    now = time.perf_counter()
    generated = sum(len(branch.ids) for branch in branches)
    first = clock.first_token or now
    # The first token of each branch comes with the prompt.
    later, spent = generated - len(branches), now - first
    return Stats(
        tokens_read=read,
        tokens_reused=reused,
        tokens_generated=generated,
        first_token_s=first - clock.arrived if clock.first_token else 0.0,
        tokens_per_s=later / spent if later > 0 and spent > 0 else 0.0,
        elapsed_s=now - clock.arrived,
    )
