"""Whether what was taken stays: looked at some time after, in whatever text there is by then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from localcoder.completion.document import Document
from localcoder.evaluate.acceptance.record import Record
from localcoder.evaluate.acceptance.standing import Place, stands

LOOKS_S = (30.0, 300.0)
"""Seconds after which it is looked at: for `stands_30s` and for `stands_5min`."""
MOST_WATCHED = 128
"""What is watched at once; each holds the text that it was taken into."""
_LATE = 2.0
"""Times the seconds after which it is too late to say that it was gone by then. That it is there still tells at any
time."""
Source = TypeVar("Source")


@dataclass(eq=False)
class _Watched(Generic[Source]):
    """`stands` has an answer for each look that was had; it may be None."""

    record: Record
    place: Place
    source: Source
    since_s: float
    stands: dict[float, bool | None] = field(default_factory=dict)

    @property
    def next_look_s(self) -> float | None:
        """By the clock."""
        return next((self.since_s + after for after in LOOKS_S if after not in self.stands), None)


class Watch(Generic[Source]):
    """`write` is called with each record when both answers are there, or nobody will know.

    A `source` is what a text is in, such as a buffer. Times are of any clock that goes on evenly, in seconds.
    `is_window`: texts are parts of what is edited, or those of somebody else.
    """

    def __init__(self, write: Callable[[Record], None], *, is_window: bool) -> None:
        self._write = write
        self._is_window = is_window
        self._watched: list[_Watched[Source]] = []
        """Oldest first."""

    def begin(self, record: Record, place: Place, source: Source, now_s: float) -> None:
        """Something was taken just now, and stands at this place."""
        self._watched.append(_Watched(record, place, source, now_s))
        while len(self._watched) > MOST_WATCHED:
            self._end(self._watched[0])

    @property
    def next_look_s(self) -> float | None:
        """When to look next, by the clock; None when nothing is watched."""
        return min((look for each in self._watched if (look := each.next_look_s) is not None), default=None)

    def look(self, text_of: Callable[[Source], Document | None], now_s: float) -> None:
        """Look at what is due; `text_of` gives what a source holds now, None where it is gone."""
        for each in tuple(self._watched):
            age_s = now_s - each.since_s
            due = [after for after in LOOKS_S if after <= age_s and after not in each.stands]
            if not due:
                continue
            text = text_of(each.source)
            found = None if text is None else stands(each.place, text, is_window=self._is_window)
            for after in due:
                is_late = age_s > after * _LATE
                if found or (found is not None and not is_late):
                    each.stands[after] = found
                elif is_late:
                    each.stands[after] = None
            if len(each.stands) == len(LOOKS_S):
                self._end(each)

    def close(self) -> None:
        """Nothing will be looked at any more."""
        while self._watched:
            self._end(self._watched[0])

    def _end(self, each: _Watched[Source]) -> None:
        self._watched.remove(each)
        stands_30s, stands_5min = (each.stands.get(after) for after in LOOKS_S)
        self._write(replace(each.record, stands_30s=stands_30s, stands_5min=stands_5min))
