"""How long to wait after a key before a completion is asked for by itself."""

from __future__ import annotations

_SHORTEST_S = 0.15
_LONGEST_S = 1.5
_PER_LATENCY = 0.5
_WEIGHT = 0.4


class Pause:
    """Short where first tokens come fast; longer where each request costs the machine, and the next key, more."""

    def __init__(self) -> None:
        self._latency_s: float | None = None

    def measured(self, first_token_s: float) -> None:
        """Take the time to first token of a finished request into account."""
        known = self._latency_s
        self._latency_s = first_token_s if known is None else known + _WEIGHT * (first_token_s - known)

    @property
    def seconds(self) -> float:
        return min(_LONGEST_S, _SHORTEST_S + _PER_LATENCY * (self._latency_s or 0.3))
