"""Files that are replaced as a whole: a reader, and a crash, see the old bytes or the new ones, never half of each.

The new bytes are written to a hidden file in the same folder and synced; then that file takes the other's name, and the
folder is synced, so that the name survives a power failure too. Errors are OSErrors: what a user can do about them
depends on what is saved, and the caller knows that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_file(path: Path, data: bytes | str, *, mode: int | None = None) -> None:
    """Put `data` in the place of what `path` holds; text is written as UTF-8, its line endings as they are.

    See `replacing` for `mode` and errors; UnicodeEncodeError, before anything is touched, for half a surrogate pair.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with replacing(path, mode=mode) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int | None = None, beside: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends; if the block fails, nothing changes.

    A symbolic link stays one: its target is replaced. A file that exists keeps its permissions, unless `mode` (0o600
    for what nobody else may read) is given; a new one gets `mode`, or what the umask leaves.

    The hidden file has a random name, so that two writers do not disturb each other. For large files give `beside`, a
    name in the same folder that is the same in every run (`partial_of`): what a killed run left is then removed by the
    next one and does not fill the disk. Whoever gives it makes sure that only one process writes at a time.

    Raises OSError: also for a directory, a device, and a link that leads to itself.
    """
    target = Path(os.path.realpath(path))
    try:
        status = target.stat()
    except FileNotFoundError:
        kept = None
    else:
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        kept = stat.S_IMODE(status.st_mode)
    hidden = beside or target.with_name(f".{os.urandom(8).hex()}.partial")
    wanted = kept if mode is None else mode
    if beside:
        beside.unlink(missing_ok=True)
    # What will be private is so from the first byte on.
    descriptor = os.open(hidden, _NEW, 0o666 if wanted is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if wanted is not None:
                hidden.chmod(wanted)
            os.fsync(descriptor)
        hidden.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def partial_of(path: Path) -> Path:
    """The hidden name beside a file, or beside what a link leads to, that is the same in every run."""
    target = Path(os.path.realpath(path))
    return target.with_name(f".{target.name}.partial")


def reason(error: OSError) -> str:
    """Why a file cannot be written, as a user reads it, without a full stop."""
    if is_full(error):
        return "the disk is full"
    return (error.strerror or str(error).partition("\n")[0] or type(error).__name__).rstrip(".")


def is_full(error: OSError) -> bool:
    """Whether there is no room left: on the disk, or in what this user may take of it."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))


def publish(part: Path, target: Path) -> None:
    """Give a file that was written before, in the same folder, its name. Raises OSError; `part` then stays."""
    # Windows syncs only what is open for writing.
    descriptor = os.open(part, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(target)
    sync_directory(target.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory last, where the system can."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
