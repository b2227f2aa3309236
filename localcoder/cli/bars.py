"""Progress bars on standard error: one a stage."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Display
from rich.text import Text

from localcoder.progress import Progress

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
    "calibrate": "Calibrating",
}


class _Amount(ProgressColumn):
    """How much of how much: bytes as people write them, anything else counted."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes, self._count = DownloadColumn(), MofNCompleteColumn()

    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        return self._bytes.render(task) if unit == "bytes" else Text.assemble(self._count.render(task), f" {unit}")


class _Rate(ProgressColumn):
    def __init__(self) -> None:
        super().__init__()
        self._bytes = TransferSpeedColumn()

    def render(self, task: Task) -> Text:
        if task.fields["unit"] == "bytes":
            return self._bytes.render(task)
        rate = task.fields["rate"]
        return Text(f"{rate:.0f}/s" if rate else "")


class _Left(TimeRemainingColumn):
    """What the work itself expects, where it says so."""

    def render(self, task: Task) -> Text:
        left_s = task.fields["left_s"]
        if left_s is None:
            return super().render(task)
        minutes, seconds = divmod(round(left_s), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", style="progress.remaining")


class Bars:
    """Draws while it is entered. `one_bar`: a stage's bar takes the place of the last one's."""

    def __init__(self, *, one_bar: bool = False) -> None:
        self._one_bar = one_bar
        columns = (TextColumn("{task.description}"), BarColumn(), _Amount(), _Rate(), _Left())
        self._display = Display(*columns, console=Console(stderr=True))
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    def show(self, event: Progress) -> None:
        """Draw how far it is."""
        if event.stage not in self._bars:
            for earlier in self._bars.values() if self._one_bar else ():
                self._display.update(earlier, visible=False)
            # What an earlier run had done already is no part of this one's speed.
            self._bars[event.stage] = self._display.add_task(
                _STAGES.get(event.stage, event.stage),
                total=event.total or None,
                completed=event.done,
                unit=event.unit,
                rate=event.rate,
                left_s=event.left_s,
            )
        self._display.update(
            self._bars[event.stage], completed=event.done, total=event.total, rate=event.rate, left_s=event.left_s
        )
