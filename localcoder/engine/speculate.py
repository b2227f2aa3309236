"""Drafts from text already seen: what followed the last few tokens when they stood in the prompt or the completion.

A draft is verified in one batch (prompt lookup decoding, Saxena 2023): its tokens are accepted as long as each is the
one that would have been sampled, so the output is the same. A batch costs more than a token, so a draft is made only
when enough of it is likely to be accepted, by what was seen lately; that is learned for free while none are made.

Other files are not looked at: what their drafts save, verifying them costs (measured by `tests/benchmarks/drafts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

NGRAMS = (6, 2)
"""How many of the last tokens have to match before what followed them is taken for a draft; the longest counts."""
BATCHES = (4, 16)
"""Tokens of a batch that verifies a draft: llama.cpp's kernels do well at these sizes."""
_GUESSED_COST = {4: 2.5, 16: 6.0}
"""Of a batch that was not timed yet, in single tokens, as seen on a CPU; its own time counts from then on."""
_MEMORY = 0.95
"""How fast what was seen is forgotten. Chosen: a change shows after some twenty drafts."""
_PRIOR = (3.0, 4.0)
_LEAST_GAIN = 1.03
"""Chosen: below it, the timing of single batches decides by chance."""


class Lookup:
    """Every n-gram of a growing sequence of ids, and where it last ended."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}
        for token in ids:
            self.append(token)

    def append(self, token: int) -> None:
        # An n-gram is entered when something follows it, so that it never finds itself.
        for n in NGRAMS:
            if len(self._ids) >= n:
                self._ends[tuple(self._ids[-n:])] = len(self._ids)
        self._ids.append(token)

    def draft(self, length: int) -> tuple[int, list[int]]:
        """(Tokens that matched, up to `length` ids that may come next); (0, []) when the last tokens are new."""
        for n in NGRAMS:
            if (end := self._ends.get(tuple(self._ids[-n:]))) is not None:
                return n, self._ids[end : end + length]
        return 0, []


class Payoff:
    """Whether a draft pays, from the time that batches take and from how often drafts were right.

    Times are in seconds by batch size; how often drafted ids were right is counted by how many tokens matched.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._counts: dict[int, tuple[float, float]] = {}

    def timed(self, size: int, seconds: float) -> None:
        before = self._seconds.get(size, seconds)
        self._seconds[size] = 0.7 * before + 0.3 * seconds

    def observed(self, matched: int, *, right: bool) -> None:
        """A drafted id, given that those before it were right, was what came or was not."""
        hits, seen = self._counts.get(matched, _PRIOR)
        self._counts[matched] = (hits * _MEMORY + right, seen * _MEMORY + 1)

    def batch(self, matched: int, available: int, largest: int) -> int:
        """The size of the batch to verify in, 1 for none, for a draft of `available` ids after so many that matched."""
        single = self._seconds.get(1)
        if single is None:
            return 1
        hits, seen = self._counts.get(matched, _PRIOR)
        chance = min(hits / seen, 0.98)
        best, size = _LEAST_GAIN / single, 1
        for candidate in BATCHES:
            if candidate > largest or available < candidate - 1:
                continue
            seconds = self._seconds.get(candidate, single * _GUESSED_COST[candidate])
            tokens = (1 - chance**candidate) / (1 - chance)
            if tokens / seconds > best:
                best, size = tokens / seconds, candidate
        return size
