"""What the KV cache holds: prefix reuse under a sliding window.

llama.cpp's StarCoder2 graph ignores the sliding window, so cells that left it are taken out of the sequence that
attention sees. They stay in the cache under a second sequence while there is room: typing that goes back a little, or a
completion that is thrown away, then needs them again and gets them without reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

LIVE, ARCHIVE = 0, 1
"""Sequence ids: what attention sees, and what left the window but still has its cells."""


class Memory(Protocol):
    """The operations of llama.cpp's memory that are needed here; ranges of positions are half open, p1 = -1: no end."""

    def seq_rm(self, seq: int, p0: int, p1: int) -> None: ...

    def seq_cp(self, source: int, target: int, p0: int, p1: int) -> None: ...

    def seq_pos_max(self, seq: int) -> int: ...


class KVCache:
    """Keeps the ids at positions 0 … len(ids) − 1 in step with the cells of a memory of `n_cells`.

    `window` is the sliding window in tokens, 0 for none. Cells of positions below `first` are not visible to
    attention; those below `archived` are gone.
    """

    def __init__(self, memory: Memory, n_cells: int, window: int) -> None:
        self._memory = memory
        self._n_cells = n_cells
        self._window = window
        self.ids: list[int] = []
        self.first = 0
        self.archived = 0

    def keep_prefix(self, ids: Sequence[int]) -> int:
        """Drop what is not a prefix of `ids`, and return how many of `ids` need not be read.

        At least the last id is always left to read, since its logits are wanted.
        """
        shared = common_prefix(self.ids, ids)
        shared = min(shared, len(ids) - 1)
        needed = self._visible_from(shared)
        if shared <= 0 or needed < self.archived:
            self.clear()
            return 0
        for seq in (LIVE, ARCHIVE):
            self._memory.seq_rm(seq, shared, -1)
        del self.ids[shared:]
        if needed < self.first:
            self._memory.seq_cp(ARCHIVE, LIVE, needed, self.first)
            self.first = needed
        return shared

    def prepare(self, count: int) -> None:
        """Make the window right for a batch of `count` tokens that comes next, and room for it."""
        position = len(self.ids)
        visible_from = self._visible_from(position)
        if visible_from > self.first:
            self._memory.seq_cp(LIVE, ARCHIVE, self.first, visible_from)
            self._memory.seq_rm(LIVE, 0, visible_from)
            self.first = visible_from
        surplus = position + count - self.archived - self._n_cells
        if surplus > 0:
            self.archived = min(self.archived + surplus, self.first)
            self._memory.seq_rm(ARCHIVE, 0, self.archived)

    def appended(self, ids: Sequence[int]) -> None:
        """A batch was decoded."""
        self.ids.extend(ids)

    def recover(self, attempted: Sequence[int]) -> None:
        """A batch of `attempted` was aborted: keep what the memory says it holds of it."""
        held = self._memory.seq_pos_max(LIVE) + 1
        self.ids.extend(attempted)
        del self.ids[max(held, 0) :]

    def clear(self) -> None:
        for seq in (LIVE, ARCHIVE):
            self._memory.seq_rm(seq, 0, -1)
        self.ids.clear()
        self.first = self.archived = 0

    def _visible_from(self, position: int) -> int:
        """The first position that the token at `position` attends to."""
        return max(0, position - self._window + 1) if self._window else 0


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids at the beginning are the same."""
    count = min(len(a), len(b))
    if list(a[:count]) == list(b[:count]):
        return count
    return next(i for i in range(count) if a[i] != b[i])
