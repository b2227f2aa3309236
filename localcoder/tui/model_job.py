"""Long work on models (fetching, converting), one at a time, in a thread, shown by whoever looks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.models.catalog import Entry
from localcoder.models.memory_fit import gigabytes
from localcoder.paths import models_dir
from localcoder.progress import Progress
from localcoder.tui.status import bar


@dataclass(frozen=True)
class JobState:
    """`line` is what to show; `error` and `result` are set at the end."""

    title: str = ""
    line: str = ""
    is_running: bool = False
    error: LocalcoderError | None = None
    result: Path | None = None


class ModelJob:
    """At most one job. Its state is replaced as a whole, so it can be read from any thread."""

    def __init__(self) -> None:
        self.state = JobState()
        self._stop = threading.Event()

    def pull(self, entry: Entry) -> None:
        """Fetch a model of the catalogue. Blocks; call it in a thread."""
        from localcoder.models.pull import fetch
        from localcoder.models.references import source_of

        self._run(f"Pulling {entry.name}", fetch(source_of(entry)))

    def convert(self, checkpoint: Path | str, type_name: str) -> None:
        """Turn a checkpoint, in a folder or, as text, on the hub, into a model in the models directory.

        Blocks; call it in a thread.
        """
        from localcoder.models.conversion import Conversion, convert_checkpoint

        def work() -> Generator[Progress, None, Path]:
            written = yield from convert_checkpoint(Conversion(checkpoint, models_dir(), (type_name,)))
            return written[0].path

        self._run(f"Converting {Path(checkpoint).name} to {type_name}", work())

    def stop(self) -> None:
        """End the running job soon; the same one can be continued later."""
        self._stop.set()

    def _run(self, title: str, work: Generator[Progress, None, Path]) -> None:
        """Run the work to its end, or until it is stopped."""
        self._stop.clear()
        self.state = JobState(title, "starting…", is_running=True)
        try:
            with contextlib.closing(work):
                while not self._stop.is_set():
                    self._show(next(work))
        except StopIteration as end:
            self.state = JobState(title, "done", result=end.value)
        except LocalcoderError as error:
            self.state = JobState(title, error.what, error=error)
        else:
            self.state = JobState(title, "stopped; started again, it goes on from here")

    def _show(self, progress: Progress) -> None:
        done, total, rate = progress.done, progress.total, progress.rate
        fraction = done / total if total else 0.0
        by_rate = (total - done) / rate if rate > 0 else 0.0
        left = by_rate if progress.left_s is None else progress.left_s
        minutes, seconds = divmod(int(left), 60)
        line = f"{progress.stage} {bar(fraction, 16)} {gigabytes(done)} of {gigabytes(total)}"
        line += f" · {gigabytes(int(rate))}/s · {minutes}:{seconds:02} left"
        self.state = JobState(self.state.title, line, is_running=True)
