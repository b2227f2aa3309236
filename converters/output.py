"""Files that appear whole or not at all: written beside under a hidden name, synced, renamed; with a sha256 sidecar."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from converters.errors import ConvertError

_HASH_BLOCK = 8 << 20


class PendingFile:
    """A file being written. `write_at` may be called from any thread; `commit` gives the file its name.

    The hidden name is the same in every run, so what a killed run left behind is written over by the next one, and a
    lock on it keeps two runs apart.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")
        self.size_bytes = size_bytes
        self._seek = threading.Lock()
        with _as_convert_error(path):
            self._fd = self._open_locked()
        try:
            with _as_convert_error(path):
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, size_bytes)
        except BaseException:
            self.discard()
            raise

    def write_at(self, offset: int, data: memoryview | bytes) -> None:
        """Write all of `data` at `offset` (bytes)."""
        view = memoryview(data).cast("B")
        with _as_convert_error(self.path):
            while view:
                if hasattr(os, "pwrite"):
                    count = os.pwrite(self._fd, view, offset)
                else:
                    with self._seek:
                        os.lseek(self._fd, offset, os.SEEK_SET)
                        count = os.write(self._fd, view)
                offset, view = offset + count, view[count:]

    def flush(self) -> None:
        """Start putting on disk what is written so far, and wait for it."""
        with _as_convert_error(self.path):
            getattr(os, "fdatasync", os.fsync)(self._fd)

    def blocks(self) -> Iterator[memoryview]:
        """What is written, in order, in blocks."""
        buffer = memoryview(bytearray(_HASH_BLOCK))
        with self.partial.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                yield buffer[:count]

    def commit(self, digest: str) -> None:
        """Sync, rename, and write `digest` (sha256, hexadecimal) to `NAME.sha256` in sha256sum's format."""
        sidecar = self.path.with_name(self.path.name + ".sha256")
        with _as_convert_error(self.path):
            os.fsync(self._fd)
            sidecar.unlink(missing_ok=True)
            if sys.platform == "win32":
                self.close()
            self.partial.replace(self.path)
            self.close()
            write_whole(sidecar, f"{digest}  {self.path.name}\n".encode())

    def discard(self) -> None:
        """Close and remove what was written. Does nothing after `commit`."""
        if self._fd >= 0:
            if sys.platform == "win32":
                self.close()
            with contextlib.suppress(OSError):
                self.partial.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
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
            raise ConvertError(f"{self.path} is being written by another run.", "Wait for it, or end it.") from None
        except OSError:
            return True  # A file system without locks: two runs at once are then the user's affair.
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(fd), self.partial.stat())
        return False


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file beside and rename it."""
    partial = path.with_name(f".{path.name}.partial")
    with _as_convert_error(path):
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
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


def sha256_of(blocks: Iterable[memoryview | bytes]) -> Iterator[tuple[int, str]]:
    """Yields (bytes so far, "") after each block, and at the end (bytes, the digest)."""
    digest, done = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        done += len(block)
        yield done, ""
    yield done, digest.hexdigest()


def require_space(files: Iterable[tuple[Path, int]]) -> None:
    """Check that the files (path, bytes) fit on their disks, hidden leftovers of earlier runs counted as free."""
    needed: dict[int, int] = {}
    where: dict[int, Path] = {}
    for path, size_bytes in files:
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        device = folder.stat().st_dev
        partial = path.with_name(f".{path.name}.partial")
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
def _as_convert_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            raise ConvertError(f"{path}: the disk is full.", "Make room, or give another folder with -o.") from None
        raise ConvertError(f"{path}: {error.strerror or error}.", "Give another place with -o.") from None
