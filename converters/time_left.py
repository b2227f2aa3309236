"""How long a conversion will last yet, by what each kind of work has cost so far.

Bytes say little: a weight costs ten times as much in Q4_K as in Q8_0, and a file mixes types unevenly over its layers.
So work is counted by kind (reading a dtype, making a type, hashing), each at its own measured seconds a value.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping

import numpy as np

from converters import ggml

_WINDOW_S = 60.0
"""Over how long the machine's speed is taken. Chosen: long beside the noise, short beside a laptop's throttling."""

_STEP_S = 0.5
"""Seconds between two marks in that window. Chosen: a hundred marks, and work enough between them."""

_SAMPLE_VALUES = 1 << 14
"""Values on which a type is tried. Chosen: some milliseconds in the slowest type."""

_SAMPLE_BYTES, _SAMPLE_ROUNDS = 1 << 24, 16
"""Bytes on which hashing is tried, and in how many rounds. Chosen: some milliseconds, and little memory."""

HASH = "sha256"
"""The kind of work that hashing is, its values being bytes. One thread does it, so it ends no sooner than it alone."""


class TimeLeft:
    """The rest of the work: `planned` maps each kind to the values to be handled.

    `sampled` maps kinds to seconds a value that were tried beforehand: for what has not been done yet they say how it
    compares with what has. Times are seconds of work since its beginning, pauses left out.
    """

    def __init__(self, planned: Mapping[str, int], sampled: Mapping[str, float]) -> None:
        self._planned, self._sampled = dict(planned), dict(sampled)
        self._values: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._marks: deque[tuple[float, Counter[str]]] = deque([(0.0, Counter())])

    def add(self, kind: str, values: int, seconds: float) -> None:
        """A thread handled some values of a kind in so many seconds."""
        self._values[kind] += values
        self._seconds[kind] += seconds

    def left_s(self, now: float) -> float | None:
        """Seconds that the rest will take; None as long as nothing was done."""
        costs = self._costs()
        begun, values_then = self._marks[0]
        done = sum((self._values[kind] - values_then[kind]) * cost for kind, cost in costs.items())
        left = sum((planned - self._values[kind]) * costs.get(kind, 0.0) for kind, planned in self._planned.items())
        if now - self._marks[-1][0] >= _STEP_S:
            self._marks.append((now, self._values.copy()))
            while now - self._marks[1][0] > _WINDOW_S:
                self._marks.popleft()
        if done <= 0:
            return None
        hashing_s = (self._planned.get(HASH, 0) - self._values[HASH]) * costs.get(HASH, 0.0)
        return max(left * (now - begun) / done, hashing_s)

    def _costs(self) -> dict[str, float]:
        """Seconds a value, by kind; nothing as long as nothing was handled."""
        known = {kind: self._seconds[kind] / values for kind, values in self._values.items() if values}
        seen = [kind for kind in known if kind in self._sampled]
        expected = sum(self._values[kind] * self._sampled[kind] for kind in seen)
        scale = sum(self._seconds[kind] for kind in seen) / expected if expected else 1.0
        unseen = {kind: self._sampled.get(kind, 0.0) * scale for kind in self._planned.keys() - known.keys()}
        return known | unseen if known else {}


def try_hash() -> tuple[int, float]:
    """Bytes, and the seconds that hashing them takes on this machine."""
    data = bytes(_SAMPLE_BYTES // _SAMPLE_ROUNDS)
    start = time.perf_counter()
    for _ in range(_SAMPLE_ROUNDS):
        hashlib.sha256(data).digest()
    return _SAMPLE_BYTES, time.perf_counter() - start


def try_types(types: Iterable[str], *, with_importance: bool) -> dict[str, float]:
    """Seconds a value that each type takes on this machine, roughly. The types must be prepared."""
    rows = np.random.default_rng(0).standard_normal((_SAMPLE_VALUES // 1024, 1024), np.float32)
    importance = np.ones(1024, np.float32) if with_importance else None
    found = {}
    for type_name in types:
        out = np.empty(rows.shape[0] * ggml.row_bytes(type_name, 1024), np.uint8)
        start = time.perf_counter()
        ggml.quantize(type_name, rows, out, importance)
        found[type_name] = (time.perf_counter() - start) / rows.size
    return found
