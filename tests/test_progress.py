"""Long work is run to its result, and stopped when whoever watches it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest

from converters.progress import Progress as ConvertersProgress
from localcoder.cli.progress import watch, watch_stream
from localcoder.evaluate.calibrate import CalibrationProgress
from localcoder.progress import Progress, finish


class Work:
    """Three steps, and whether they were ended."""

    def __init__(self) -> None:
        self.is_over = False

    def steps(self) -> Generator[Progress, None, str]:
        try:
            for done in range(3):
                yield ConvertersProgress("convert", done, 3, 0.0)
            return "made"
        finally:
            self.is_over = True

    async def stream(self) -> AsyncGenerator[Progress | str, None]:
        try:
            for done in range(3):
                yield CalibrationProgress(done, 3, 0.0)
            yield "made"
            yield "never looked at"
        finally:
            self.is_over = True


def test_each_event_is_shown_and_the_result_returned() -> None:
    shown: list[int] = []
    assert finish(Work().steps(), lambda event: shown.append(event.done)) == "made"
    assert shown == [0, 1, 2]
    assert finish(Work().steps()) == watch(Work().steps()) == "made"


def test_what_showing_raises_stops_the_work() -> None:
    work = Work()

    def interrupted(event: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(work.steps(), interrupted)
    assert work.is_over


async def test_a_stream_ends_with_its_result() -> None:
    work = Work()
    assert await watch_stream(work.stream()) == "made"
    assert work.is_over
