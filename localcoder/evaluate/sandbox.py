"""Runs a command on code that a model wrote: without a network, writing nowhere but into a copy, within limits.

The sandbox is bubblewrap's (`bwrap`). Inside, the copy stands where the original is, so that what was installed from
there finds it; all else can be read and not written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from localcoder.errors import LocalcoderError

Limit = Literal["time", "memory", "processes"]

_LOOK_S = 0.05
"""How often it is looked at what runs. Chosen: a look takes a millisecond, and nothing grows by much between two."""
_OUTPUT_BYTES = 1_000_000
_LARGEST_FILE_BYTES = 1 << 30
_ISOLATION = ("--die-with-parent", "--new-session", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev",
              "--proc", "/proc", "--tmpfs", "/tmp")  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a command may take: seconds, and memory and processes of all that it starts together.

    Memory that processes share counts for each of them.
    """

    seconds: float = 60.0
    memory_bytes: int = 4 << 30
    processes: int = 256


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `over` is the limit that it went over, which ended it."""

    code: int
    output: str
    seconds: float
    over: Limit | None = None


@dataclass(frozen=True)
class Place:
    """Where a command runs: `copy` stands for `original`; `readable` are parts of that which the copy lacks."""

    copy: Path
    original: Path
    readable: tuple[Path, ...] = ()


class Sandbox:
    """`unsafe`: without isolation, in the copy; the limits hold all the same."""

    def __init__(self, *, unsafe: bool = False) -> None:
        """Raises LocalcoderError where there is no sandbox that works, unless it is `unsafe`."""
        self._bwrap = None if unsafe else _working_bwrap()

    def run(self, command: str, place: Place, limits: Limits) -> Outcome:
        """The command by the system's shell, all that it prints in one text."""
        begun = time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                self._arguments(command, place, limits),
                cwd=None if self._bwrap else place.copy,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "XDG_CACHE_HOME": "/tmp/cache", "NO_COLOR": "1"} if self._bwrap else None,
            )
            try:
                over = _watch(process, limits, begun)
            finally:
                _end(process)
            output.seek(0)
            text = output.read(_OUTPUT_BYTES).decode("utf-8", "replace")
        return Outcome(process.returncode, text, time.monotonic() - begun, over)

    def _arguments(self, command: str, place: Place, limits: Limits) -> list[str]:
        shell = [*_limited(limits), "sh", "-c", command]
        if self._bwrap is None:
            return shell if sys.platform != "win32" else ["cmd", "/c", command]
        readable = [part for path in place.readable for part in ("--ro-bind", str(path), str(path))]
        inside = ["--bind", str(place.copy), str(place.original), *readable, "--chdir", str(place.original)]
        return [self._bwrap, *_ISOLATION, *inside, *shell]


def _working_bwrap() -> str:
    found = shutil.which("bwrap")
    todo = "Install bubblewrap; or --unsafe runs what models wrote without a sandbox, with all that you may do."
    if found is None:
        raise LocalcoderError("There is no sandbox here: bubblewrap (bwrap) is not installed.", todo)
    done = subprocess.run([found, *_ISOLATION, "true"], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise LocalcoderError(f"The sandbox does not work here: {said[0]}.", todo)
    return found


def _limited(limits: Limits) -> Sequence[str]:
    """What bounds each process by itself, where the system has it; all together are watched."""
    found = shutil.which("prlimit")
    if found is None or sys.platform == "win32":
        return ()
    memory, seconds = f"--data={limits.memory_bytes}", f"--cpu={int(limits.seconds * (os.cpu_count() or 1)) + 1}"
    # The kernel counts all threads of the user.
    processes = f"--nproc={limits.processes + _threads_of_user()}"
    return (found, memory, seconds, processes, f"--fsize={_LARGEST_FILE_BYTES}", "--core=0", "--")


def _threads_of_user() -> int:
    user, count = psutil.Process().uids().real, 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            count += process.num_threads() if process.uids().real == user else 0
    return count


def _watch(process: subprocess.Popen[bytes], limits: Limits, begun: float) -> Limit | None:
    """Wait for its end; returns the limit that it went over before."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_S)
            return None
        if time.monotonic() - begun > limits.seconds:
            return "time"
        memory, count = _taken(process.pid)
        if memory > limits.memory_bytes:
            return "memory"
        if count > limits.processes:
            return "processes"


def _taken(number: int) -> tuple[int, int]:
    """(memory of it and all below it, how many they are)"""
    memory = count = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(number)
        for each in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                memory += each.memory_info().rss
                count += 1
    return memory, count


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started: in a sandbox nothing outlives the first process."""
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for each in below:
        with contextlib.suppress(psutil.Error):
            each.kill()
    process.wait()
