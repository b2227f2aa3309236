"""Runs long work to its end, drawn on standard error where that is a terminal; Ctrl-C and SIGTERM stop it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import TypeVar

from localcoder.progress import Progress, finish

Result = TypeVar("Result")


def watch(work: Generator[Progress, None, Result], *, quiet: bool = False, one_bar: bool = False) -> Result:
    """Run long work and return its result; one bar a stage. `one_bar`: a stage's takes the place of the last one's.

    Ctrl-C and SIGTERM close the work, so that it can remove what is half-written, or keep what it can go on from.
    """
    with _terminable(), _shown(quiet=quiet, one_bar=one_bar) as show:
        return finish(work, show)


async def watch_stream(work: AsyncGenerator[Progress | Result, None], *, quiet: bool = False) -> Result:
    """As `watch`, for what is asynchronous: as that cannot return anything, its result is the last thing it yields."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    if sys.platform != "win32":
        # SIGINT too: before Python 3.11, asyncio lets it fall wherever the loop happens to be.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with _shown(quiet=quiet) as show:
            async with contextlib.aclosing(work):
                async for event in work:
                    if not isinstance(event, Progress):
                        return event
                    show(event)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    raise AssertionError("the work ends with its result")


@contextlib.contextmanager
def _shown(*, quiet: bool, one_bar: bool = False) -> Iterator[Callable[[Progress], None]]:
    """What draws an event: nothing, where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield lambda event: None
        return
    from localcoder.cli.bars import Bars

    with Bars(one_bar=one_bar) as bars:
        yield bars.show


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does, and end with the code that it should."""

    def terminate(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
