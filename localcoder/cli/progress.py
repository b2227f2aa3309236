"""Draws the progress events of long work on standard error."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from converters.progress import Progress

Result = TypeVar("Result")

_STAGES = {
    "examine": "Looking for values that 16 bits cannot hold",
    "measure": "Measuring errors",
    "download": "Downloading",
    "resume": "Checking what is done already",
    "convert": "Converting",
    "check": "sha256",
    "inspect": "Checking rows",
    "repair": "Copying",
    "copy": "Copying",
    "export": "Packing",
    "import": "Unpacking",
}


def watch(work: Generator[Progress, None, Result], *, quiet: bool = False, one_bar: bool = False) -> Result:
    """Run long work to its end and return its result; one bar a stage, on a terminal only.

    `one_bar`: a stage's bar takes the place of the last one's.

    Ctrl-C and SIGTERM close the work, so that it can remove what is half-written, or keep what it can go on from.
    """
    with _terminable(), contextlib.closing(work):
        if quiet or not sys.stderr.isatty():
            return _drain(work)
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            Task,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.text import Text

        class Left(TimeRemainingColumn):
            """What the work itself expects, where it says so."""

            def render(self, task: Task) -> Text:
                left_s = task.fields.get("left_s")
                if left_s is None:
                    return super().render(task)
                minutes, seconds = divmod(round(left_s), 60)
                return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", style="progress.remaining")

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, Left(), console=Console(stderr=True)) as bar:
            tasks: dict[str, TaskID] = {}
            while True:
                try:
                    event = next(work)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                if event.stage not in tasks:
                    for earlier in tasks.values() if one_bar else ():
                        bar.update(earlier, visible=False)
                    # What an earlier run had done already is no part of this one's speed.
                    name = _STAGES.get(event.stage, event.stage)
                    tasks[event.stage] = bar.add_task(name, total=event.total_bytes or None, completed=event.done_bytes)
                bar.update(tasks[event.stage], completed=event.done_bytes, total=event.total_bytes, left_s=event.left_s)


def _drain(work: Generator[Progress, None, Result]) -> Result:
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result


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
