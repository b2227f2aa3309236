"""Where a text is found again in a later one: after an edit, and when a client sends other lines of the same file."""

from __future__ import annotations

from dataclasses import dataclass

EVIDENCE = 320
"""Characters by which a place of one text is recognised in another."""


@dataclass(frozen=True)
class Alignment:
    """An old and a new text that are the same but for one stretch, and for what only one of them has at its ends.

    Here the new one begins later and ends later, and between the two `XX` became `Y`:

        old  HHHHaaaaaaaaXXbbbbb
        new      aaaaaaaaYbbbbbTT

    `old_start` and `new_start` (4, 0) are where `aaaaaaaa` begins, `before` (8) is how long it is; `old_end` and
    `new_end` (19, 14) are where `bbbbb` ends, `after` (5) is how long it is. All in characters.
    """

    old_start: int
    new_start: int
    before: int
    old_end: int
    new_end: int
    after: int

    @property
    def removed(self) -> int:
        """How many characters of the old text gave way to the new ones: 2 above."""
        return self.old_end - self.after - self.old_start - self.before

    @property
    def added(self) -> int:
        """How many characters came in their place: 1 above."""
        return self.new_end - self.after - self.new_start - self.before

    def place_of_start(self, offset: int) -> int | None:
        """Where a span that began at this offset of the old text begins in the new one. None: that place is gone."""
        place = self._counted_from_start(offset)
        return place if place is not None else self._counted_from_end(offset)

    def place_of_end(self, offset: int) -> int | None:
        """Where a span that ended at this offset of the old text ends in the new one. None: that place is gone."""
        place = self._counted_from_end(offset)
        return place if place is not None else self._counted_from_start(offset)

    def _counted_from_start(self, offset: int) -> int | None:
        inside = self.old_start <= offset <= self.old_start + self.before
        return offset - self.old_start + self.new_start if inside else None

    def _counted_from_end(self, offset: int) -> int | None:
        inside = self.old_end - self.after <= offset <= self.old_end
        return offset - self.old_end + self.new_end if inside else None


def align(old: str, new: str, cursor: int, *, slides: bool) -> Alignment:
    """How the old text became the new one. With `slides`, one may begin or end in the midst of the other.

    `cursor` is an offset into the new text. Where it is open what changed, as when an `x` is added to a row of them,
    the change ends there: it was typed.
    """
    backwards = old[::-1], new[::-1]
    old_start, new_start = _meeting(old, new) if slides else (0, 0)
    old_over, new_over = _meeting(*backwards) if slides else (0, 0)
    length = min(len(old) - old_over - old_start, len(new) - new_over - new_start)
    if length < 0:
        # The two ends contradict each other, as they may where the text repeats itself.
        old_start = new_start = old_over = new_over = 0
        length = min(len(old), len(new))
    before = min(common_prefix(old, new, old_start, new_start), length)
    after = min(common_prefix(*backwards, old_over, new_over), length)
    new_end = len(new) - new_over
    after = min(after, max(length - before, new_end - cursor))
    return Alignment(old_start, new_start, min(before, length - after), len(old) - old_over, new_end, after)


def _meeting(old: str, new: str) -> tuple[int, int]:
    """Where both begin to be the same: at the beginning of the one that begins later. (0, 0) if that is not found."""
    if not old.startswith(new[:EVIDENCE]) and not new.startswith(old[:EVIDENCE]):
        if len(new) >= EVIDENCE and (at := old.find(new[:EVIDENCE])) >= 0:
            return at, 0
        if len(old) >= EVIDENCE and (at := new.find(old[:EVIDENCE])) >= 0:
            return 0, at
    return 0, 0


def common_prefix(a: str, b: str, a_start: int = 0, b_start: int = 0) -> int:
    """How many characters are the same from these offsets on."""
    low, high = 0, min(len(a) - a_start, len(b) - b_start)
    while low < high:
        middle = (low + high + 1) // 2
        if a[a_start + low : a_start + middle] == b[b_start + low : b_start + middle]:
            low = middle
        else:
            high = middle - 1
    return low
