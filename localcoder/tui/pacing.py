"""How long to wait after a key before a completion is asked for by itself."""

from __future__ import annotations

from localcoder.power import PowerWatch

# Chosen, not measured: no benchmark judges a pause.
_SHORTEST_S = 0.15
"""Fluent typing has shorter gaps between its keys, so a request is not begun for each of them."""
_LONGEST_S = 1.5
"""After so long without a key somebody is waiting."""
_PER_LATENCY = 0.5
"""Seconds for each second that a first token takes: a slow machine begins fewer requests for nothing."""
_FIRST_LATENCY_S = 0.3
"""Taken for the time to first token before one was measured."""
_WEIGHT = 0.4
"""Of the newest measurement: after three of them the older ones count for a fifth."""
_SHORT_OF_POWER = 3.0
"""Times the pause on battery or when hot."""


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
        pause = min(_LONGEST_S, _SHORTEST_S + _PER_LATENCY * (self._latency_s or _FIRST_LATENCY_S))
        return pause * _SHORT_OF_POWER if self._power.now.is_short else pause
