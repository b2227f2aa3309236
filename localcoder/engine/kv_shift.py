"""What of a prompt can be kept when the cursor moved or the window grew: its cells are shifted, not read again.

When the cursor moves, the text on both sides of `<fim_middle>` stays the same but for the lines that the cursor passed.
When the window grows, more text stands in front of what was read; when a new window begins further down, less. Cells
that are shifted were computed after other text than what precedes them now, so this is an approximation. Measured on
held-out code with the bundled model, cursor moves of one to five lines: 0.013 nats a token, against 0.27 for reading
only the lines nearest to the cursor in its place (`moves.py`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SEAM = 4
"""Ids at the edge of a text that may be others when more text stands in front: a line break and an indentation are one
token where both are there."""
_PROBE = 8
"""Ids that have to be the same for a text to be looked for at a place."""
_SHARE = 0.5
"""Of a text behind the head, what has to be found elsewhere. Less is another text with some lines of it: a licence."""


@dataclass(frozen=True)
class Shift:
    """`old[start:end]` stands in the new prompt from `to` on, and the first `head` ids are the same in both."""

    head: int
    start: int
    end: int
    to: int

    @property
    def kept(self) -> int:
        """How many ids of the new prompt need not be read."""
        return self.head + self.end - self.start


def find_shift(old: Sequence[int], new: Sequence[int], middle: int) -> Shift | None:
    """The shift that keeps most, of two prompts that both have a `<fim_middle>`, whose id is `middle`; None: none."""
    if middle not in old or middle not in new:
        return None
    i, j, head = old.index(middle), new.index(middle), common_prefix(old, new)
    around, grown = _around_middle(old, new, i, j, head), _moved_text(old, new, i, j, head)
    return max((shift for shift in (around, grown) if shift is not None), key=lambda each: each.kept, default=None)


def _around_middle(old: Sequence[int], new: Sequence[int], i: int, j: int, head: int) -> Shift | None:
    """The cursor has moved: the ids around the `<fim_middle>`, at `i` and `j`, that are the same.

    old   P S1 S2 S3 M L1 L2         S: lines behind the cursor, L: lines before it, M: the middle
    new   P    S2 S3 M L1 L2 S1      S2 … L2 is kept
    """
    before = common_prefix(old[:i][::-1], new[:j][::-1])
    after = common_prefix(old[i:], new[j : len(new) - 1])
    # What both have at the beginning stays where it is.
    before -= max(0, head - (i - before), head - (j - before))
    if before < 0 or after == 0:
        return None
    return Shift(head, start=i - before, end=i + after, to=j - before)


def _moved_text(old: Sequence[int], new: Sequence[int], i: int, j: int, head: int) -> Shift | None:
    """More or less text stands in front: what stood behind the head, or behind the `<fim_middle>`, stands elsewhere.

    old   P S1 S2       M       L1 L2      the window grows on both sides: S1 S2 is the head,
    new   P S1 S2 S3 S4 M L8 L9 L1 L2 L3   L1 L2 is kept
    """
    if head >= len(new) - _PROBE:
        return None
    new = new[: len(new) - 1]
    places = [
        *_places(old, new, {head, max(head, i + 1)}, head),
        *((a, b) for b, a in _places(new, old, {head, max(head, j + 1)}, head)),
    ]
    shifts = [Shift(head, start=a, end=a + common_prefix(old[a:], new[b:]), to=b) for a, b in places]
    shift = max(shifts, key=lambda each: each.kept, default=None)
    if shift is None or shift.end - shift.start < _SHARE * (len(old) - head):
        return None
    return shift


def _places(text: Sequence[int], other: Sequence[int], starts: set[int], head: int) -> Iterator[tuple[int, int]]:
    """(place in `text`, place in `other`) where some ids are the same; the first at or shortly behind `starts`."""
    haystack = array("q", other).tobytes()
    for start in starts:
        for a in range(start, start + _SEAM):
            probe = array("q", text[a : a + _PROBE]).tobytes()
            if len(probe) < _PROBE * 8:
                break
            at = haystack.find(probe, head * 8)
            while at >= 0 and at % 8:
                at = haystack.find(probe, at + 1)
            if at >= 0:
                yield a, at // 8
                break


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids at the beginning are the same."""
    count = min(len(a), len(b))
    left, right = list(a[:count]), list(b[:count])
    if left == right:
        return count
    return next(i for i, (x, y) in enumerate(zip(left, right, strict=True)) if x != y)
