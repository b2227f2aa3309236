"""Long work: a generator that yields how far it is and returns its result. Closing it stops the work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Protocol, TypeVar, runtime_checkable

Result = TypeVar("Result")


@runtime_checkable
class Progress(Protocol):
    """How far it is: `done` of `total` in `unit`s ("bytes", "tokens"), `rate` of them a second, 0 where unknown."""

    @property
    def stage(self) -> str: ...

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...

    @property
    def rate(self) -> float: ...

    @property
    def left_s(self) -> float | None:
        """Seconds, where they are known better than by the rate."""

    @property
    def unit(self) -> str: ...


def finish(work: Generator[Progress, None, Result], show: Callable[[Progress], object] | None = None) -> Result:
    """Run work to its end and return its result; `show` is called with each event. Whatever that raises stops it."""
    with contextlib.closing(work):
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                result: Result = end.value
                return result
            if show:
                show(event)
