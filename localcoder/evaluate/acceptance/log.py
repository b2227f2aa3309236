"""The file of records: a line each, for the user alone, and never larger than twice what a file may have.

    acceptance.jsonl     the newest
    acceptance.1.jsonl   those before; they are dropped when the first one is full, and takes their place

Each line is appended in one write, so that two programs may write at once. Whoever writes is not held up: a thread does
it, and a disk that takes no more costs the records, nothing else.
"""

from __future__ import annotations

import json
import os
import queue
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcoder.evaluate.acceptance.record import Record, read_record
from localcoder.files import reason
from localcoder.paths import state_dir

LIMIT_BYTES = 4 << 20
"""Of one of the two files. Chosen: some 12,000 suggestions without their texts."""
_PATIENCE_S = 2.0
"""How long a program that ends waits for its last records to be written."""


def log_file() -> Path:
    """Where the newest records are."""
    return state_dir() / "acceptance.jsonl"


@dataclass(frozen=True)
class Logged:
    """What is in the log, oldest first; `dropped` records were there before and had to make room."""

    records: tuple[Record, ...]
    dropped: int = 0


def read_log(path: Path | None = None) -> Logged:
    """What is no record is skipped. Raises OSError for a file that is there and cannot be read."""
    path = path or log_file()
    lines = [*_lines(_older(path)), *_lines(path)]
    records = [record for line in lines if (record := read_record(line)) is not None]
    return Logged(tuple(records), max(map(_dropped, lines), default=0))


class LogWriter:
    """Writes records in their order, in the background."""

    def __init__(self, path: Path | None = None, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path or log_file()
        self._limit_bytes = limit_bytes
        self._waiting: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._trouble = ""
        self._has_complained = False

    def write(self, record: Record) -> None:
        """Returns at once."""
        if self._thread is None:
            # A daemon: a disk that hangs does not keep the program from ending.
            self._thread = threading.Thread(target=self._work, name="acceptance log", daemon=True)
            self._thread.start()
        self._waiting.put(record)

    def close(self, patience_s: float = _PATIENCE_S) -> None:
        """Write what waits, and wait for that as long as `patience_s`."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(patience_s)

    def complaint(self) -> str:
        """Why records could not be written, in a sentence: once, and "" otherwise."""
        if not self._trouble or self._has_complained:
            return ""
        self._has_complained = True
        return f"What is taken of suggestions cannot be noted: {self._trouble}."

    def _work(self) -> None:
        while (record := self._waiting.get()) is not None:
            try:
                self._append(record.as_line())
            except OSError as error:
                self._trouble = reason(error)

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._path, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
                os.fchmod(descriptor, 0o600)
            data = line.encode() + b"\n"
            if size and not _ends_a_line(descriptor, size):
                # Half a line of a program that was killed: it is not to take this one with it.
                data = b"\n" + data
            if os.write(descriptor, data) < len(data):
                raise OSError("only a part of a line could be written")
        finally:
            os.close(descriptor)
        if size + len(data) > self._limit_bytes:
            self._make_room()

    def _make_room(self) -> None:
        import filelock

        # Where there are no locks, or somebody else is at it, the next line will do; no file: it was just done.
        with suppress(filelock.Timeout, NotImplementedError, FileNotFoundError):
            with filelock.FileLock(self._path.with_suffix(".lock"), timeout=0):
                if self._path.stat().st_size <= self._limit_bytes:
                    return
                older = _older(self._path)
                before = _lines(older)
                dropped = max(map(_dropped, [*before, *_lines(self._path)]), default=0)
                dropped += sum(read_record(line) is not None for line in before)
                self._path.replace(older)
            if dropped:
                self._append(json.dumps({"dropped": dropped}))


def _ends_a_line(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _older(path: Path) -> Path:
    return path.with_suffix(f".1{path.suffix}")


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []


def _dropped(line: str) -> int:
    """How many the line says that there were before, 0 for other lines."""
    if '"dropped"' not in line:
        return 0
    try:
        count = json.loads(line)["dropped"]
    except (ValueError, TypeError, KeyError):
        return 0
    return count if type(count) is int else 0
