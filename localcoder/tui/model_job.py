"""Long work on models (fetching, converting), one at a time, in a thread, shown by whoever looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.models.catalog import Entry
from localcoder.models.memory_fit import gigabytes
from localcoder.paths import models_dir
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
        from converters.progress import Progress
        from localcoder.models.pull import pull

        def report(progress: Progress) -> None:
            self._progress(progress.stage, progress.done_bytes, progress.total_bytes, progress.bytes_per_s)

        self._run(f"Pulling {entry.name}", lambda: pull(entry, report, self._stop))

    def convert(self, checkpoint: Path, type_name: str) -> None:
        """Turn a checkpoint's folder into a model in the models directory. Blocks; call it in a thread."""
        self._run(f"Converting {checkpoint.name} to {type_name}", lambda: self._convert(checkpoint, type_name))

    def stop(self) -> None:
        """End the running job soon; the same one can be continued later."""
        self._stop.set()

    def _convert(self, checkpoint: Path, type_name: str) -> Path | None:
        from converters.checkpoint import open_checkpoint
        from converters.convert import run
        from converters.errors import ConvertError
        from converters.model import read_model
        from converters.plan import refuse_overwriting
        from converters.request import ConversionRequest, check, prepare
        from converters.rows import LocalShards

        models_dir().mkdir(parents=True, exist_ok=True)
        try:
            request = ConversionRequest(out=models_dir(), types=(type_name,))
            check(request)
            found = open_checkpoint(checkpoint)
            shards = LocalShards(found.directory)
            steps = prepare(request, read_model(found), shards)
            while True:
                try:
                    next(steps)
                except StopIteration as done:
                    prepared = done.value
                    break
            refuse_overwriting(prepared.plan, [found.directory / shard for shard in found.shards])
            work = run(prepared.plan, shards, request.threads)
            while True:
                try:
                    step = next(work)
                except StopIteration as done:
                    return Path(done.value[0].path)
                self._progress(step.stage, step.done_bytes, step.total_bytes, step.bytes_per_s, step.left_s)
                if self._stop.is_set():
                    work.close()
                    return None
        except ConvertError as error:
            raise LocalcoderError(error.what, error.todo, exit_code=error.exit_code) from None

    def _run(self, title: str, work: Callable[[], Path | None]) -> None:
        self._stop.clear()
        self.state = JobState(title, "starting…", is_running=True)
        try:
            result = work()
        except LocalcoderError as error:
            self.state = JobState(title, error.what, error=error)
        else:
            self.state = JobState(
                title, "done" if result else "stopped; started again, it goes on from here", result=result
            )

    def _progress(self, stage: str, done: int, total: int, rate: float, left_s: float | None = None) -> None:
        fraction = done / total if total else 0.0
        by_bytes = (total - done) / rate if rate > 0 else 0.0
        left = by_bytes if left_s is None else left_s
        line = f"{stage} {bar(fraction, 16)} {gigabytes(done)} of {gigabytes(total)} · {gigabytes(int(rate))}/s"
        minutes, seconds = divmod(int(left), 60)
        self.state = JobState(self.state.title, f"{line} · {minutes}:{seconds:02} left", is_running=True)
