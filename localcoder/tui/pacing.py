"""How long to wait after a key before a completion is asked for by itself."""

from __future__ import annotations

from localcoder.power import PowerWatch

_SHORTEST_S = 0.15
_LONGEST_S = 1.5
_PER_LATENCY = 0.5
_WEIGHT = 0.4


_SHORT_OF_POWER = 3.0


class Pause:
    """Short where first tokens come fast; longer where each request costs the machine, and the next key, more.

    On battery, or when the processor is hot, fewer requests are worth their power.
    """

    def __init__(self, power: PowerWatch | None = None) -> None:
        self._latency_s: float | None = None
        self._power = power or PowerWatch(is_on=False)

    def measured(self, first_token_s: float) -> None:
        """Take the time to first token of a finished request into account."""
        known = self._latency_s
        self._latency_s = first_token_s if known is None else known + _WEIGHT * (first_token_s - known)

    @property
    def seconds(self) -> float:
        pause = min(_LONGEST_S, _SHORTEST_S + _PER_LATENCY * (self._latency_s or 0.3))
        return pause * _SHORT_OF_POWER if self._power.now.is_short else pause
