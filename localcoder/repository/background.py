"""An update of an index in a process of its own, at the lowest priority.

In a thread it would hold Python's lock while a file is parsed, up to a tenth of a second, and somebody who types would
notice (`tests/benchmarks/index.py --typing`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

import localcoder
from localcoder.errors import LocalcoderError
from localcoder.repository.index import Index, IndexProgress, Update

# `-c` puts the working directory first on sys.path, where a user's own random.py would be imported for ours.
_BOOT = "import sys; sys.path[0] = sys.argv.pop(1); from localcoder.repository.background import main; main()"


def update_in_background(root: Path, *, folder: Path | None = None) -> Generator[IndexProgress, None, Update]:
    """As `Index(root, folder=folder).update()`. Closing it ends the process; what was done so far stays.

    Each step waits for the process: take them in a thread. Raises LocalcoderError.
    """
    arguments = [str(Path(localcoder.__file__).parent.parent), os.fspath(root), os.fspath(folder or "")]
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # Ctrl-C in the terminal is for the face to answer, which then closes the generator.
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        what = f"The process that updates the index could not be started: {error.strerror}."
        raise LocalcoderError(what, "Close other programs and try again.") from None
    with process:
        try:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                kind, fields = json.loads(line)
                if kind == "progress":
                    yield IndexProgress(**fields)
                elif kind == "error":
                    raise LocalcoderError(**fields)
                else:
                    return Update(**fields)
            last = process.stderr.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise LocalcoderError(f"The process that updates the index ended. {last}".rstrip(), "Try again.")
        finally:
            process.kill()


def main() -> None:
    """The process: messages as lines of JSON on standard output."""
    _give_way()
    root, folder = Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None
    try:
        with Index(root, folder=folder) as index:
            work = index.update()
            while True:
                try:
                    _say("progress", asdict(next(work)))
                except StopIteration as end:
                    _say("update", asdict(end.value))
                    return
    except LocalcoderError as error:
        _say("error", {"what": error.what, "todo": error.todo, "exit_code": error.exit_code})


def _say(kind: str, fields: dict[str, object]) -> None:
    print(json.dumps([kind, fields]), flush=True)


def _give_way() -> None:
    """Whoever types comes first, at the processor and at the disk."""
    process = psutil.Process()
    with suppress(psutil.Error, OSError):
        process.nice(psutil.IDLE_PRIORITY_CLASS if sys.platform == "win32" else 19)
    with suppress(psutil.Error, OSError, AttributeError):
        process.ionice(psutil.IOPRIO_VERYLOW if sys.platform == "win32" else psutil.IOPRIO_CLASS_IDLE)
