"""Drafts from text already seen: what followed the last few tokens when they stood in the prompt or the completion.

A draft is verified in one batch (prompt lookup decoding, Saxena 2023): its tokens are accepted as long as each is the
one that would have been sampled, so the output is the same. A batch costs more than a token, so a draft is made only
when enough of it is likely to be accepted, by what was seen lately; that is learned for free while none are made.
"""

from __future__ import annotations

from collections.abc import Sequence

NGRAM = 4
"""Tokens that have to match before what followed them is taken for a draft."""
BATCHES = (4, 16)
"""Tokens of a batch that verifies a draft: llama.cpp's kernels do well at these sizes."""
_MEMORY = 0.95
_LEAST_GAIN = 1.05


class Lookup:
    """Every n-gram of a growing sequence of ids, and where it last ended."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = list(ids)
        self._ends: dict[tuple[int, ...], int] = {}
        for end in range(NGRAM, len(self._ids)):
            self._ends[tuple(self._ids[end - NGRAM : end])] = end

    def append(self, token: int) -> None:
        # An n-gram is entered when something follows it, so that it never finds itself.
        if len(self._ids) >= NGRAM:
            self._ends[tuple(self._ids[-NGRAM:])] = len(self._ids)
        self._ids.append(token)

    def draft(self, length: int) -> list[int]:
        """Up to `length` ids that may come next; none when the last n-gram is new."""
        end = self._ends.get(tuple(self._ids[-NGRAM:]))
        return self._ids[end : end + length] if end is not None else []


class Payoff:
    """Whether a draft pays, from the time that batches take and from how often drafts were right.

    Times are seconds by batch size; a size that was not measured yet is taken from the next larger one.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._right, self._seen = 1.0, 2.0

    def timed(self, size: int, seconds: float) -> None:
        before = self._seconds.get(size, seconds)
        self._seconds[size] = 0.7 * before + 0.3 * seconds

    def observed(self, right: int, wrong: int) -> None:
        """So many drafted ids were what came, and so many were not."""
        for _ in range(right + wrong):
            self._right *= _MEMORY
            self._seen *= _MEMORY
        self._right += right
        self._seen += right + wrong

    @property
    def chance(self) -> float:
        """The probability that a drafted id is right, given that those before it were."""
        return min(self._right / self._seen, 0.98)

    def batch(self, available: int, largest: int) -> int:
        """The size of the batch to verify in, 1 for none, given a draft of `available` ids."""
        single = self._seconds.get(1)
        if single is None:
            return 1
        best, size = _LEAST_GAIN / single, 1
        for candidate in BATCHES:
            seconds = self._time(candidate)
            if seconds is None or candidate > largest or available < candidate - 1:
                continue
            expected = (1 - self.chance**candidate) / (1 - self.chance)
            if expected / seconds > best:
                best, size = expected / seconds, candidate
        return size

    def _time(self, size: int) -> float | None:
        known = [measured for measured in self._seconds if measured >= size]
        return self._seconds[min(known)] if known else None
