"""Texts that are not in the KV cache just now: copies of their cells in memory, and on disk what has no room there.

    KV cache    the text that is typed in, and what is read ahead for it
    memory      the texts that were there before, the latest used last          a copy: 30 KB a token for the 3B
    disk        what was pushed out of memory, and what was there at the end    `snapshots.py`

The cells that stand for the beginning of many prompts, such as signatures of a repository's files, are kept by
themselves as a head: a text that begins with it needs no more than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from localcoder.engine.cache import SMALLEST_LOSS
from localcoder.engine.kv_shift import common_prefix
from localcoder.engine.snapshots import Snapshot, SnapshotStore

SMALLEST_SNAPSHOT = 64
"""Tokens below which reading again is as good as a file."""
_SAVING_S = 3.0
"""Seconds after which no other snapshot is begun when the worker ends. Chosen: less than the parent waits."""


@dataclass(frozen=True)
class Parked:
    """The state of a sequence: cells of `ids` from position `first` on. Those from `exact` on are approximate."""

    ids: tuple[int, ...]
    first: int
    exact: int
    data: bytearray
    is_head: bool = False

    def reusable(self, ids: Sequence[int], window: int, *, exact: bool = False) -> int:
        """How many of `ids` need not be read with these cells; with `exact`, approximate ones do not count."""
        shared = min(common_prefix(self.ids, ids), len(ids) - 1, self.exact if exact else len(ids))
        needed = max(0, shared - window + 1) if window else 0
        return shared if needed >= self.first else 0


class Parking:
    """At most `limit_bytes` of copies in memory; the oldest go to `snapshots`, if there are any and they are exact.

    Belongs to one thread, but for `saved`.
    """

    def __init__(self, limit_bytes: int, snapshots: SnapshotStore | None, window: int) -> None:
        self._limit_bytes = limit_bytes
        self._snapshots = snapshots
        self._window = window
        self._parked: tuple[Parked, ...] = ()
        """Least recently used first. A tuple, since another thread may be looking at it."""
        self._disk = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    @property
    def size_bytes(self) -> int:
        """What the copies in memory take."""
        return sum(len(each.data) for each in self._parked)

    def saved(self, ids: Sequence[int], *, exact: bool = False) -> int:
        """How many of `ids` some copy has. May be called from another thread."""
        return max((saved for _, saved in self._copies(ids, exact)), default=0)

    def best(self, ids: Sequence[int], least: int, *, exact: bool = False) -> Parked | None:
        """The smallest copy of those that have most of `ids`, if it has more than `least` of them."""
        found = max(self._copies(ids, exact), key=lambda each: (each[1], -_size(each[0])), default=None)
        if found is None:
            return None
        copy, saved = found
        if saved <= least + (SMALLEST_SNAPSHOT if isinstance(copy, Snapshot) else SMALLEST_LOSS):
            return None
        if isinstance(copy, Parked):
            self._parked = (*(each for each in self._parked if each is not copy), copy)
            return copy
        assert self._snapshots is not None
        data = self._snapshots.read(copy)
        if data is None:
            return None
        parked = Parked(copy.ids, copy.first, len(copy.ids), data, copy.is_head)
        self._add(parked)
        return parked

    def park(
        self,
        ids: tuple[int, ...],
        first: int,
        exact: int,
        state: Callable[[], bytearray | None],
        *,
        is_head: bool = False,
    ) -> None:
        """Keep a copy, unless one has as good as all of it already; `state` makes it."""
        allowed = 0 if is_head else SMALLEST_LOSS
        for each in self._parked:
            lacking = len(ids) - common_prefix(each.ids, ids)
            is_as_good = each.exact >= min(exact, len(each.ids)) - allowed and each.first <= first
            if lacking <= allowed and is_as_good and each.is_head >= is_head:
                return
        if self._limit_bytes and (data := state()) is not None:
            self._add(Parked(ids, first, exact, data, is_head))

    def save(self, others: Sequence[Parked]) -> None:
        """Write `others` and the copies in memory to disk, the latest first, as far as there is time."""
        end = time.monotonic() + _SAVING_S
        for each in (*others, *self._parked[::-1]):
            if time.monotonic() < end:
                self._disk.submit(self._write, each).result()

    def _copies(self, ids: Sequence[int], exact: bool) -> Iterator[tuple[Parked | Snapshot, int]]:
        for parked in self._parked:
            yield parked, parked.reusable(ids, self._window, exact=exact)
        if self._snapshots is not None:
            for snapshot in self._snapshots.all:
                yield snapshot, snapshot.reusable(ids, self._window)

    def _add(self, new: Parked) -> None:
        """The text that a copy continues is in it. The oldest make room."""

        def is_continued(each: Parked) -> bool:
            return not each.is_head and common_prefix(each.ids, new.ids) >= len(each.ids) - SMALLEST_LOSS

        kept = [*(each for each in self._parked if not is_continued(each)), new]
        while kept and sum(len(each.data) for each in kept) > self._limit_bytes:
            self._push_out(kept.pop(0))
        self._parked = tuple(kept)

    def _push_out(self, parked: Parked) -> None:
        """Have it written, unless another one is being written: who waits here waits for a key's answer."""
        if self._writing is None or self._writing.done():
            self._writing = self._disk.submit(self._write, parked)

    def _write(self, parked: Parked) -> None:
        if self._snapshots is not None and parked.exact == len(parked.ids) >= SMALLEST_SNAPSHOT:
            self._snapshots.write(parked.ids, parked.first, parked.data, is_head=parked.is_head)


def _size(copy: Parked | Snapshot) -> int:
    return len(copy.data) if isinstance(copy, Parked) else copy.size_bytes
