"""What the KV cache holds: prefix reuse under a sliding window, in a few slots that share the cells.

llama.cpp's StarCoder2 graph ignores the sliding window, so cells that left it are taken out of the sequence that
attention sees. They stay in the cache under a second sequence while there is room: typing that goes back a little, or a
completion that is thrown away, then needs them again and gets them without reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from localcoder.engine.kv_shift import Shift, common_prefix, find_shift


class Memory(Protocol):
    """The operations of llama.cpp's memory that are needed here; ranges of positions are half open, p1 = -1: no end."""

    def seq_rm(self, seq: int, p0: int, p1: int) -> None: ...

    def seq_cp(self, source: int, target: int, p0: int, p1: int) -> None: ...

    def seq_add(self, seq: int, p0: int, p1: int, delta: int) -> None: ...

    def seq_pos_max(self, seq: int) -> int: ...


LARGEST_DROP = 160
"""Ids that a slot may lose to a new prompt: a completion that was thrown away, and what was typed instead."""

SHIFT_SAVES = 64
"""Ids that keeping cells by shifting them has to save to be worth the approximation."""
EXACT_IS_WORTH = 16
"""Ids that may be read again to have exact cells in place of shifted ones."""
MOST_FRESH = 16
FRESH_SHARE = 8
"""When a text is shifted to grow, its last ids are read again: an eighth of it, at most 16.

Measured with the bundled model, 200 places in Textual's sources, windows of 225 tokens grown from 24 (`growth.py`):
0.039 nats a token more than read afresh with the last 16 read again, 0.069 with none; 32 are no better.
"""
SMALLEST_LOSS = 16
"""Ids of a text that are not worth keeping when another takes its place."""
_SAME_TEXT = 0.25
"""Of a slot's ids, the share that has to stay for what takes its place to be the same text, changed."""


class Slot:
    """One text in the cache: the ids at positions 0 … len(ids) − 1, in step with the memory's cells.

    `live` is the sequence that attention sees, `archive` the one that keeps what left the window. Cells of positions
    below `first` are not visible to attention; those below `archived` are gone. `window` is in tokens, 0 for none.
    Cells from `exact` on were shifted, or read after cells that were. `ids` is replaced and never changed, since
    another thread may be looking at it.
    """

    def __init__(self, memory: Memory, window: int, live: int, archive: int) -> None:
        self._memory = memory
        self._window = window
        self.live = live
        self._archive = archive
        self.ids: tuple[int, ...] = ()
        self.first = 0
        self.archived = 0
        self.exact = 0

    @property
    def cells(self) -> int:
        return len(self.ids) - self.archived

    def reusable(self, ids: Sequence[int], *, exact: bool = False) -> int:
        """How many of `ids` need not be read. The last one always is: its logits are wanted."""
        shared = min(common_prefix(self.ids, ids), len(ids) - 1, self.exact if exact else len(ids))
        return shared if shared > 0 and self.visible_from(shared) >= self.archived else 0

    def keep_prefix(self, ids: Sequence[int]) -> int:
        """Drop what is not a prefix of `ids`, and return `reusable(ids)`."""
        shared = self.reusable(ids)
        if shared == 0:
            self.clear()
            return 0
        for seq in (self.live, self._archive):
            self._memory.seq_rm(seq, shared, -1)
        self._forget_from(shared)
        needed = self.visible_from(shared)
        if needed < self.first:
            self._memory.seq_cp(self._archive, self.live, needed, self.first)
            self.first = needed
        return shared

    def slide(self) -> None:
        """Make the window right for a batch that comes next."""
        visible_from = self.visible_from(len(self.ids))
        if visible_from > self.first:
            self._memory.seq_cp(self.live, self._archive, self.first, visible_from)
            self._memory.seq_rm(self.live, 0, visible_from)
            self.first = visible_from

    def unfold(self) -> None:
        """Have what a change may need again of what left the window in the live sequence, to be copied with it.

        `slide` takes it out again.
        """
        first = max(self.archived, self.first - LARGEST_DROP)
        if first < self.first:
            self._memory.seq_cp(self._archive, self.live, first, self.first)
            self.first = first

    def release(self, count: int) -> int:
        """Give up to `count` archived cells back; returns how many."""
        freed = min(count, self.first - self.archived)
        if freed > 0:
            self.archived += freed
            self._memory.seq_rm(self._archive, 0, self.archived)
        return freed

    def appended(self, ids: Sequence[int]) -> None:
        """A batch was decoded."""
        if self.exact == len(self.ids):
            self.exact += len(ids)
        self.ids += tuple(ids)

    def recover(self, attempted: Sequence[int]) -> None:
        """A batch of `attempted` was aborted: keep what the memory says it holds of it."""
        self.appended(attempted)
        self._forget_from(self._memory.seq_pos_max(self.live) + 1)

    def shift(self, shift: Shift, ids: Sequence[int], source: int, exact: int) -> None:
        """Hold the beginning of `ids`: shifted cells of this slot behind the first `shift.to` cells of a sequence.

        Of the latter, those below `exact` are exact.
        For a slot that has not slid, and whose shifted cells no other slot shares.
        """
        self._memory.seq_rm(self._archive, 0, -1)
        self._memory.seq_rm(self.live, 0, shift.start)
        self._memory.seq_rm(self.live, shift.end, -1)
        if shift.to != shift.start:
            self._memory.seq_add(self.live, shift.start, shift.end, shift.to - shift.start)
        self._memory.seq_cp(source, self.live, 0, shift.to)
        self.ids = tuple(ids[: shift.to + shift.end - shift.start])
        self.exact = min(exact, shift.to)

    def copy_prefix(self, source: Slot, length: int) -> None:
        """Hold the first `length` ids of another slot, which are `reusable` there, in the same cells."""
        self.clear()
        self.first = self.archived = self.visible_from(length)
        for seq in (source.live, source._archive):
            self._memory.seq_cp(seq, self.live, self.first, length)
        self.ids = source.ids[:length]
        self.exact = min(source.exact, length)

    def truncate(self, length: int) -> None:
        """Forget what stands at positions from `length` on; needs no cell that left the window."""
        self._memory.seq_rm(self.live, length, -1)
        self._forget_from(length)

    def clear(self) -> None:
        for seq in (self.live, self._archive):
            self._memory.seq_rm(seq, 0, -1)
        self.ids = ()
        self.first = self.archived = self.exact = 0

    def _forget_from(self, length: int) -> None:
        self.ids = self.ids[:length]
        self.exact = min(self.exact, length)

    def visible_from(self, position: int) -> int:
        """The first position that the token at `position` attends to."""
        return max(0, position - self._window + 1) if self._window else 0


@dataclass(frozen=True)
class Placement:
    """Where a prompt is read: `kept` of its ids are there already, with `shift` once its cells were shifted."""

    slot: Slot
    kept: int
    shift: Shift | None = None


@dataclass(frozen=True)
class Growth:
    """A prompt that has a slot's text in it: what stands in front is read in `reading`, then the text is shifted."""

    base: Slot
    reading: Slot
    shift: Shift


class KVCache:
    """Two slots over `n_cells` cells, so that reading ahead for a large prompt leaves the small one usable.

    `middle` is the id of `<fim_middle>`; without it, and without `window`, no cells are shifted. `on_loss` is told of a
    slot before another text takes its place.
    """

    def __init__(
        self,
        memory: Memory,
        n_cells: int,
        window: int,
        *,
        middle: int | None = None,
        n_slots: int = 2,
        on_loss: Callable[[Slot], None] = lambda slot: None,
    ) -> None:
        self._on_loss = on_loss
        self._n_cells = n_cells
        self._window = window
        self._middle = middle
        # Least recently used first. A tuple, since another thread may be looking at it.
        self._slots = tuple(Slot(memory, window, live=2 * i, archive=2 * i + 1) for i in range(n_slots))

    def reusable(self, ids: Sequence[int], *, exact: bool = False) -> int:
        """How many of `ids` need not be read. May be called from another thread; the answer may be old by then."""
        if exact:
            return max(slot.reusable(ids, exact=True) for slot in self._slots)
        return self._best(ids).kept

    def acquire(self, ids: Sequence[int], *, ahead: bool = False) -> Placement:
        """The slot to read `ids` in; what is no prefix of them is dropped, unless its cells can be shifted.

            slots, the latest last     `ids`          placement
            [A B C D]  [A B X Y]       A B X Y Z      the second, kept 4: only Z is read
            [A B C D]  [A B X Y]       A B X Z        the second, kept 3: Y is dropped, Z is read
            [P Q R]    [A B X × 200]   A B Z          the second would lose too much: the first, with a copy of A B

        A slot that would lose more than `LARGEST_DROP` ids is left as it is, unless it is the oldest: that one goes on
        with a copy of the shared prefix. When reading `ahead`, which may never be asked for, it is the latest slot that
        is left whatever it would lose, and no other; and then shifted cells are read again.
        """
        best = self._best(ids, ahead=ahead)
        slot, kept, latest = best.slot, best.kept, self._slots[-1]
        if best.shift is not None:
            self._own(slot, best.shift)
            self._use(slot)
            return best
        lost = len(slot.ids) - kept
        is_left = slot is latest and lost > 0 if ahead else lost > LARGEST_DROP
        oldest = self._slots[0]
        if is_left and slot is not oldest:
            self._lose(oldest)
            oldest.copy_prefix(slot, kept)
            slot = oldest
        else:
            self._lose(slot, kept)
        self._use(slot)
        if ahead:
            self._use(latest)
        return Placement(slot, slot.keep_prefix(ids[: kept + 1]))

    def grow(self, ids: Sequence[int]) -> Growth | None:
        """How to have `ids` from the latest slot's text with least reading; None: not by shifting it.

        What was read of it before an interruption is still there.
        """
        base, reading = self._slots[-1], self._slots[0]
        if base is reading or (shift := self._shift(base, ids)) is None:
            return None
        # The nearest to the cursor count most.
        fresh = min(MOST_FRESH, (shift.end - shift.start) // FRESH_SHARE)
        shift = replace(shift, end=shift.end - fresh)
        have = reading.reusable(ids[: shift.to + 1])
        unread = len(ids) - max(shift.head, have) - (shift.end - shift.start)
        if unread >= len(ids) - self._best(ids, ahead=True).kept:
            return None
        if base.cells + shift.to > self._n_cells:
            return None
        self._lose(reading, have)
        if have <= shift.head:
            reading.copy_prefix(base, shift.head)
        else:
            # From where the two part on, the cells that will be shifted are the latest slot's alone.
            reading.keep_prefix(ids[: shift.to + 1])
        return Growth(base, reading, shift)

    def _lose(self, slot: Slot, kept: int = 0) -> None:
        """Say that a slot loses its text but for `kept` ids, if it is another text that comes, and no slot has it."""
        lost = len(slot.ids) - kept
        if lost <= SMALLEST_LOSS or kept > _SAME_TEXT * len(slot.ids):
            return
        if not any(each is not slot and each.ids[: len(slot.ids)] == slot.ids for each in self._slots):
            self._on_loss(slot)

    def _use(self, slot: Slot) -> None:
        """Make it the latest."""
        self._slots = (*(each for each in self._slots if each is not slot), slot)

    def _best(self, ids: Sequence[int], *, ahead: bool = False) -> Placement:
        placements = [Placement(slot, slot.reusable(ids, exact=ahead)) for slot in self._slots]
        best = max(placements, key=lambda each: each.kept - EXACT_IS_WORTH * (each.kept > each.slot.exact))
        if ahead or self._middle is None:
            return best
        for slot in self._slots:
            shift = self._shift(slot, ids)
            if shift is not None and shift.kept >= best.kept + SHIFT_SAVES:
                best = Placement(slot, shift.kept, shift)
        return best

    def _shift(self, slot: Slot, ids: Sequence[int]) -> Shift | None:
        """Within the window only: beyond it, which cells are visible depends on where they stand."""
        old = slot.ids
        if self._middle is None or slot.first or max(len(old), len(ids)) >= (self._window or self._n_cells):
            return None
        shift = find_shift(old, ids, self._middle)
        if shift is None or len(old) + shift.to - shift.head > self._n_cells:
            return None
        return shift

    def _own(self, slot: Slot, shift: Shift) -> None:
        """Clear the slots that would see the cells that are shifted."""
        for each in self._slots:
            if each is not slot and common_prefix(each.ids, slot.ids) > shift.start:
                self._lose(each)
                each.clear()

    def restore(self, ids: Sequence[int], first: int, exact: int, load: Callable[[int], bool]) -> bool:
        """Have `load(sequence)` fill the oldest slot with cells of these ids from position `first` on.

        Those from `exact` on were shifted, or read after cells that were.
        """
        slot = self._slots[0]
        self._lose(slot)
        slot.clear()
        self.prepare(slot, len(ids) - first)
        if not load(slot.live):
            slot.clear()
            return False
        slot.first = slot.archived = first
        slot.exact, slot.ids = exact, tuple(ids)
        return True

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Least recently used first."""
        return self._slots

    def prepare(self, slot: Slot, count: int) -> bool:
        """Make the slot's window right for what comes next, and room for `count` cells; False if that cannot be."""
        slot.slide()
        surplus = sum(each.cells for each in self._slots) + count - self._n_cells
        others = [each for each in self._slots if each is not slot]
        for each in [*others, slot]:
            if surplus > 0:
                surplus -= each.release(surplus)
        for each in others:
            if surplus > 0:
                surplus -= each.cells
                self._lose(each)
                each.clear()
        return surplus <= 0
