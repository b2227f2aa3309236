"""Prefill: what the KV cache lacks of a prompt is decoded in small batches: for a request, ahead, or to score."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from localcoder.engine.api import TokenScore
from localcoder.engine.cache import EXACT_IS_WORTH, Growth, KVCache, Placement, Slot
from localcoder.engine.context import Context, DecodeAborted
from localcoder.engine.kv_shift import Shift
from localcoder.engine.parking import SMALLEST_SNAPSHOT, Parked, Parking
from localcoder.engine.sampler import likeliest, log_probability
from localcoder.engine.snapshots import SnapshotStore
from localcoder.engine.speculate import Payoff
from localcoder.errors import LocalcoderError
from localcoder.hardware import OthersLoad
from localcoder.power import PowerWatch

READ_SLICE = 48
"""Tokens read between two looks at what else is wanted.

From 64 on llama.cpp's attention on a CPU takes other kernels, whose rounding differs by up to 0.07 in a logit from that
of small batches: below it, what is computed does not depend on how the reading was cut.
"""
LONGEST_ON_GPU_S = 0.1
"""Seconds of a batch on a GPU, which cannot be ended early: so a request that comes is looked at within 150 ms."""
SMALLEST_ON_GPU = 8
"""Tokens below which a batch takes hardly less time: all weights are read for a single one. Chosen."""
AHEAD_SLICE = 16
AHEAD_S = 0.5
"""A batch that is read ahead has as many tokens as take half a second, but at least 16 and at most `READ_SLICE`: a
request that comes meanwhile ends it, and its work is lost.

Measured with a 3B at Q4_K_M on two cores with AVX2: 24 tokens a second are read in batches of 16, 25 in batches of 48,
but 16 to 18 in batches of 4 to 12.
"""
MEASURED_TOKENS = 16
"""Tokens of the smallest batch whose time says how fast this machine reads."""
BUSY_FROM = 0.4
"""Added to the cores that others use before rounding down: one counts as taken when it is busy more than 60 %."""
PAST_WINDOW_SHARE = 64
"""Past the sliding window a batch has at most a 64th of it: its last token sees that many keys less one too many.

Measured on the bundled model with its window of 256, in nats a token against one token at a time: 0.0006 with batches
of 4, 0.002 with 16, 0.003 with 32, 0.009 with 64. Published models have a window of 4,096, so batches of 64.
"""


class Prefill:
    """Fills a context with prompts, and knows what its KV cache holds."""

    def __init__(
        self,
        context: Context,
        snapshots: SnapshotStore | None = None,
        power: PowerWatch | None = None,
        *,
        parked_limit_bytes: int = 0,
    ) -> None:
        self.context = context
        special, window = context.info.special, context.info.window
        self._parking = Parking(parked_limit_bytes, snapshots, window)
        self._head_end = special.fim_prefix
        middle = special.fim_middle if context.can_shift else None
        self.cache = KVCache(context, context.n_cells, window, middle=middle, on_loss=self._park)
        self.payoff = Payoff()
        self.read_tokens_per_s = 0.0
        self._slice = READ_SLICE
        self._others = OthersLoad()
        self._power = power or PowerWatch(is_on=False)
        self._measure_reading()

    def warm(self, ids: Sequence[int], is_cancelled: Callable[[], bool], *, exact: bool = True) -> None:
        """Read ahead, as far as nothing else is wanted.

        Without `exact`, what the latest text has in common with `ids` is shifted instead of being read again.
        """
        if not ids:
            return
        self.room(ids)
        with suppress(DecodeAborted):
            if exact:
                self.restore(ids, exact=True)
                for _ in self.read(self.cache.acquire(ids, ahead=True).slot, ids, is_cancelled, self._ahead_sizes()):
                    pass
            elif self.cache.reusable(ids) < len(ids) - 1 - EXACT_IS_WORTH:
                self._warm_approximately(ids, is_cancelled)

    def _ahead_sizes(self) -> Iterator[int]:
        """Tokens of each batch that is read ahead."""
        while True:
            yield min(READ_SLICE, max(AHEAD_SLICE, int(AHEAD_S * self.read_tokens_per_s)))

    def _warm_approximately(self, ids: Sequence[int], is_cancelled: Callable[[], bool]) -> None:
        growth = self.cache.grow(ids)
        if growth is not None:
            self._grow(growth, ids, is_cancelled)
            return
        # It will be asked for: it has its place as if it were.
        self.restore(ids)
        for _ in self.read_at(self.cache.acquire(ids), ids, is_cancelled, self._ahead_sizes()):
            pass

    def _grow(self, growth: Growth, ids: Sequence[int], is_cancelled: Callable[[], bool]) -> None:
        """Read what stands in front of the latest text, have that behind it, and read the rest."""
        base, reading, shift = growth.base, growth.reading, growth.shift
        for _ in self.read(reading, ids[: shift.to], is_cancelled, self._ahead_sizes()):
            pass
        base.shift(shift, ids, reading.live, reading.exact)
        for _ in self.read(base, ids, is_cancelled, self._ahead_sizes()):
            pass

    def score(
        self, ids: Sequence[int], start: int, top: int, is_cancelled: Callable[[], bool], *, exact: bool = True
    ) -> Iterator[tuple[TokenScore, ...]]:
        """Scores of `ids[start:]`, a batch at a time. Raises DecodeAborted, or LocalcoderError for too many ids.

        Without `exact`, the cells before `start` may be shifted ones, as they are for a completion.
        """
        self.room(ids)
        if start == len(ids):
            return
        # As if reading ahead: what is exact, and not in the slot of whoever types.
        placement = self.cache.acquire(ids[:start], ahead=exact)
        slot = placement.slot
        if placement.shift is not None:
            for _ in self._fill(slot, placement.shift, ids[:start], is_cancelled):
                pass
        scored = start
        for done in self.read(slot, ids[:-1], is_cancelled, logits_from=start - 1):
            scores = []
            for i in range(scored, done + 1):
                # The token before has position i − 1, and `done` − 1 is the position of the last output, −1.
                logits = self.context.logits(i - 1 - done)
                scores.append(TokenScore(log_probability(logits, ids[i]), likeliest(logits, top)))
            scored = max(scored, done + 1)
            yield tuple(scores)

    def reusable(self, ids: Sequence[int], *, exact: bool = False) -> int:
        """How many of `ids` need not be read, by the cache or a snapshot. May be called from another thread.

        With `exact`, cells that were shifted do not count.
        """
        return max(self.cache.reusable(ids, exact=exact), self._parking.saved(ids, exact=exact))

    def save(self) -> None:
        """Keep on disk what the cache holds, and what was there before."""
        held = []
        for slot in self.cache.slots[::-1]:
            if slot.exact == len(slot.ids) >= SMALLEST_SNAPSHOT:
                slot.unfold()
                if (data := self._state(slot)) is not None:
                    held.append(Parked(slot.ids, slot.first, slot.exact, data))
                slot.slide()
        self._parking.save(held)

    def restore(self, ids: Sequence[int], *, exact: bool = False) -> None:
        """Have the oldest slot hold a copy of this text's cells, if that saves much reading."""
        copy = self._parking.best(ids, self.cache.reusable(ids, exact=exact), exact=exact)
        if copy is not None:
            self.cache.restore(
                copy.ids, copy.first, copy.exact, lambda seq: self.context.restore_sequence(seq, copy.data)
            )

    def _park(self, slot: Slot) -> None:
        slot.unfold()
        self._parking.park(slot.ids, slot.first, slot.exact, lambda: self._state(slot))
        slot.slide()

    def _state(self, slot: Slot) -> bytearray | None:
        return self.context.sequence_state(slot.live)

    def _head(self, ids: Sequence[int]) -> int:
        """How many ids stand before the text that is filled; the same ones may stand before other texts."""
        return ids.index(self._head_end) if self._head_end in ids else 0

    def read_at(
        self,
        placement: Placement,
        ids: Sequence[int],
        is_cancelled: Callable[[], bool],
        sizes: Iterable[int] | None = None,
    ) -> Iterator[int]:
        """Read what the place lacks of `ids`; yields how many it holds after each batch."""
        shift, slot = placement.shift, placement.slot
        if shift is not None:
            for done in self._fill(slot, shift, ids, is_cancelled):
                yield placement.kept + done
        yield from self.read(slot, ids, is_cancelled, sizes)

    def _fill(self, slot: Slot, shift: Shift, ids: Sequence[int], is_cancelled: Callable[[], bool]) -> Iterator[int]:
        """Read the ids before the cells that are kept, in a sequence of its own, and shift those behind them.

        Yields how many were read after each batch. Until all are, the slot holds what it held: an abort loses nothing.
        """
        scratch, position = self.context.first_spare_sequence, shift.head
        self.context.seq_cp(slot.live, scratch, 0, shift.head)
        try:
            while position < shift.to:
                if is_cancelled():
                    raise DecodeAborted
                batch = ids[position : min(position + READ_SLICE, position + self._slice, shift.to)]
                self.cache.prepare(slot, shift.to - shift.head)
                self.context.decode(batch, position, 0, scratch)
                position += len(batch)
                yield position - shift.head
            slot.shift(shift, ids, scratch, slot.exact)
        finally:
            self.context.seq_rm(scratch, 0, -1)

    def read(
        self,
        slot: Slot,
        ids: Sequence[int],
        is_cancelled: Callable[[], bool],
        sizes: Iterable[int] | None = None,
        logits_from: int | None = None,
    ) -> Iterator[int]:
        """Decode what the slot lacks of `ids`; yields how many it holds after each batch.

        The last of `ids` gets logits, or those from position `logits_from` on. Raises DecodeAborted.
        """
        wanted = len(ids) - 1 if logits_from is None else logits_from
        head = self._head(ids)
        for size in sizes or itertools.repeat(READ_SLICE):
            position = len(slot.ids)
            if position >= len(ids):
                return
            if is_cancelled():
                raise DecodeAborted
            self.adapt_threads()
            end = position + min(size, self._largest_batch(position))
            batch = ids[position : min(end, head) if position < head else end]
            self.decode(slot, batch, outputs=min(len(batch), max(0, position + len(batch) - wanted)))
            if len(slot.ids) == head == slot.exact >= SMALLEST_SNAPSHOT:
                self._parking.park(slot.ids, slot.first, head, lambda: self._state(slot), is_head=True)
            yield len(slot.ids)

    def decode(self, slot: Slot, ids: Sequence[int], outputs: int) -> None:
        """Decode ids that come next in the slot; the last `outputs` of them get logits. Raises DecodeAborted."""
        self.cache.prepare(slot, len(ids))
        start = time.perf_counter()
        try:
            self.context.decode(ids, len(slot.ids), outputs, slot.live)
        except DecodeAborted:
            slot.recover(ids)
            raise
        slot.appended(ids)
        seconds = time.perf_counter() - start
        self.payoff.timed(len(ids), seconds)
        # Logits for many take as long as a layer.
        if len(ids) >= min(MEASURED_TOKENS, self._slice) and outputs <= 1:
            self.read_tokens_per_s = len(ids) / seconds
        if self.context.is_on_gpu:
            self._slice = next_slice(self._slice, len(ids), seconds)

    def adapt_threads(self) -> None:
        """Leave the cores that other programs keep busy to them: threads that share a core wait for each other.

        Where power is short, half of the threads have to do.
        """
        taken = self._others.cores()
        if taken is not None:
            threads = self.context.n_threads // 2 if self._power.now.is_short else self.context.n_threads
            self.context.use_threads(max(1, threads - int(taken + BUSY_FROM)))

    def _measure_reading(self) -> None:
        """Read a token, which brings every weight into memory, and then a few, to know how fast this machine reads."""
        slot = self.cache.acquire(range(MEASURED_TOKENS + 1)).slot
        # A GPU's driver compiles the kernels for a batch in the first one.
        for count in (MEASURED_TOKENS if self.context.is_on_gpu else 1, MEASURED_TOKENS):
            self.decode(slot, range(count), outputs=1)
            slot.clear()
        # What the very first took says nothing of the ones to come.
        self.payoff = Payoff()

    def _largest_batch(self, position: int) -> int:
        window = self.context.info.window
        largest = READ_SLICE
        if window and position + READ_SLICE > window:
            largest = max(1, window // PAST_WINDOW_SHARE, min(READ_SLICE, window - position))
        return min(largest, self._slice) if self.context.is_on_gpu else largest

    def room(self, ids: Sequence[int]) -> int:
        """How many tokens the context can hold after these. Raises LocalcoderError when it cannot hold these."""
        window, n_cells = self.context.info.window, self.context.n_cells
        if window and n_cells >= window + max(READ_SLICE, window // PAST_WINDOW_SHARE):
            return sys.maxsize
        if len(ids) > n_cells:
            raise LocalcoderError(
                f"The prompt has {len(ids)} tokens, and the context holds {n_cells}.", "Shorten it.", exit_code=2
            )
        return max(1, n_cells - len(ids))


def next_slice(size: int, count: int, seconds: float) -> int:
    """Tokens to read at once on a GPU, of at most `size` so far, after a batch of `count` that took so long."""
    if seconds > LONGEST_ON_GPU_S:
        return min(size, max(SMALLEST_ON_GPU, count // 2))
    if count >= size and 2 * seconds <= LONGEST_ON_GPU_S:
        return min(READ_SLICE, 2 * size)
    return size
