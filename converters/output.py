"""Files that appear whole or not at all: written beside under a hidden name, synced, renamed; with a sha256 sidecar."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import heapq
import io
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from converters.errors import ConvertError

_HASH_BLOCK = 8 << 20
"""Bytes hashed at a time. Chosen: some milliseconds of one core, so that events are not held up."""


class PendingFile:
    """A file being written. `write_at` may be called from any thread; `commit` gives the file its name.

    The hidden name is the same in every run, so what a killed run left behind is written over by the next one, and a
    lock on it keeps two runs apart. It is hashed while it grows (`hash_along`), from the page cache: hashed at the end,
    one core would be busy for seconds while the others wait.

    With `keep`, what an earlier run left is not emptied if it has the right size (`is_left_over`): then its bytes are
    not zero, and what is to be zero has to be written.
    """

    def __init__(self, path: Path, size_bytes: int, *, keep: bool = False) -> None:
        self.path = path
        self.partial = partial_path(path)
        self.size_bytes = size_bytes
        self._lock = threading.Lock()
        self._digest, self._hashed = hashlib.sha256(), 0
        self._written: list[tuple[int, int]] = []  # a heap of (first byte, end), all from `_hashed` on
        self._reading: io.FileIO | None = None
        with as_convert_error(path):
            self._fd = self._open_locked()
        try:
            with as_convert_error(path):
                self.is_left_over = keep and os.fstat(self._fd).st_size == size_bytes
            if not self.is_left_over:
                self.empty()
        except BaseException:
            self.discard()
            raise

    def empty(self) -> None:
        """Make every byte zero."""
        with as_convert_error(self.path):
            os.ftruncate(self._fd, 0)
            os.ftruncate(self._fd, self.size_bytes)
        self.is_left_over = False

    def write_at(self, offset: int, data: memoryview | bytes) -> None:
        """Write all of `data` at `offset` (bytes). No byte may be written twice."""
        view = memoryview(data).cast("B")
        end = offset + len(view)
        start = offset
        with as_convert_error(self.path):
            while view:
                if hasattr(os, "pwrite"):
                    count = os.pwrite(self._fd, view, offset)
                else:
                    with self._lock:
                        os.lseek(self._fd, offset, os.SEEK_SET)
                        count = os.write(self._fd, view)
                offset, view = offset + count, view[count:]
        self.mark_final(start, end)

    def mark_final(self, start: int, end: int) -> None:
        """Nothing more will be written to these bytes: the hash need not wait for them."""
        if start < end:
            with self._lock:
                heapq.heappush(self._written, (start, end))

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    @property
    def hashed_bytes(self) -> int:
        return self._hashed

    def hash_along(self) -> bool:
        """Hash the next bytes, at most a block, as far as they are written without a gap; false if none are.

        For one thread; others may be writing meanwhile.
        """
        with self._lock:
            end = self._hashed
            while self._written and self._written[0][0] <= end and end - self._hashed < _HASH_BLOCK:
                end = max(end, heapq.heappop(self._written)[1])
            until = min(end, self._hashed + _HASH_BLOCK)
            if until < end:
                heapq.heappush(self._written, (until, end))
        if until == self._hashed:
            return False
        with as_convert_error(self.path):
            if self._reading is None:
                self._reading = io.FileIO(self.partial)
            buffer = memoryview(bytearray(until - self._hashed))
            while buffer:
                count = self._reading.readinto(buffer)
                if not count:
                    raise OSError(errno.EIO, "ends before its last byte")
                self._digest.update(buffer[:count])
                self._hashed, buffer = self._hashed + count, buffer[count:]
        return True

    def commit(self, journal: Path | None = None) -> str:
        """Sync, rename, and write the sha256 (hexadecimal, also returned) to `NAME.sha256` in sha256sum's format.

        The journal, which nothing may hold open, is removed as soon as the file has its name.
        """
        while self.hash_along():
            pass
        if self._hashed != self.size_bytes:
            raise AssertionError(f"byte {self._hashed} of {self.path} was never written")
        digest, sidecar = self._digest.hexdigest(), self.path.with_name(self.path.name + ".sha256")
        self.give_name(outdated=sidecar, journal=journal)
        write_whole(sidecar, f"{digest}  {self.path.name}\n".encode())
        return digest

    def sync(self) -> None:
        """Make what was written last."""
        with as_convert_error(self.path):
            os.fsync(self._fd)

    def give_name(self, outdated: Path | None = None, journal: Path | None = None) -> None:
        """Sync and rename; before the rename, remove the file that would say wrong things of the new one."""
        with as_convert_error(self.path):
            os.fsync(self._fd)
            if outdated:
                outdated.unlink(missing_ok=True)
            if sys.platform == "win32":
                self.close()
            self.partial.replace(self.path)
            if journal:
                # Before the lock goes: the next run's journal has the same name.
                journal.unlink(missing_ok=True)
            self.close()

    def discard(self) -> None:
        """Close and remove what was written. Does nothing once the file has its name."""
        if self._fd >= 0:
            if sys.platform == "win32":
                self.close()
            with contextlib.suppress(OSError):
                self.partial.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open_locked(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        while True:
            fd = os.open(self.partial, flags, 0o666)
            try:
                if self._is_mine(fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _is_mine(self, fd: int) -> bool:
        """Lock the file; false if another run renamed or removed it between the opening and the locking."""
        if sys.platform == "win32":
            return True
        import fcntl

        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"{self.path} is being written by another run."
            raise ConvertError(what, "Wait for it, or end it.", is_passing=True) from None
        except OSError:
            return True  # A file system without locks: two runs at once are then the user's affair.
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(fd), self.partial.stat())
        return False


def partial_path(path: Path) -> Path:
    """Where a file is while it is written."""
    return path.with_name(f".{path.name}.partial")


def is_being_written(path: Path) -> bool:
    """Whether a run writes this file now; false too where the system has no locks to tell by."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fd = os.open(partial_path(path), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file, which appears whole or not at all as large ones do, but without a sidecar."""
    file = PendingFile(path, len(data))
    try:
        file.write_at(0, data)
        file.give_name()
    finally:
        file.discard()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory last, where the system can."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_directory(folder: Path) -> None:
    """Create a folder and those above it; exit code 2 if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConvertError(
            f"{folder}: {error.strerror or error}.", "Give another place with -o.", exit_code=2
        ) from None


def require_space(files: Iterable[tuple[Path, int]]) -> None:
    """Check that files (path, bytes) fit on their disks. What a killed run left of the same file counts as free."""
    needed: dict[int, int] = {}
    where: dict[int, Path] = {}
    for path, size_bytes in files:
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        device = folder.stat().st_dev
        partial = partial_path(path)
        leftover = partial.stat() if partial.exists() else None
        reusable = getattr(leftover, "st_blocks", 0) * 512
        needed[device] = needed.get(device, 0) + size_bytes - reusable
        where[device] = folder
    for device, size_bytes in needed.items():
        free = shutil.disk_usage(where[device]).free
        if size_bytes > free:
            raise ConvertError(
                f"{where[device]}: {size_bytes / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free.",
                "Make room, or give another folder with -o.",
            )


@contextlib.contextmanager
def as_convert_error(path: Path) -> Iterator[None]:
    """Say in one line what a failing disk, or a full one, did to the file that will be at `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            todo = "Make room, or give another folder with -o."
            raise ConvertError(f"{path}: the disk is full.", todo, is_passing=True) from None
        raise ConvertError(f"{path}: {error.strerror or error}.", "Give another place with -o.") from None
