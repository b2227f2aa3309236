"""Memory of a model file that is mapped and not needed any more."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_MADV_DONTNEED = 4
"""Of Linux's `madvise(2)`: on a mapped file it drops the pages from this process, and they are read again if used."""


def release_pages(path: Path) -> None:
    """Let go of the mapped pages of a file.

    llama.cpp maps a model, copies most of its weights into an order that suits the processor, and keeps the mapping:
    the pages of both count as resident, though only one is read from then on. Does nothing where it is not Linux.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    try:
        status = path.stat()
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        span, permissions, _, _, inode, *_ = line.split(maxsplit=5)
        if int(inode) == status.st_ino and "w" not in permissions:
            start, end = (int(address, 16) for address in span.split("-"))
            libc.madvise(start, end - start, _MADV_DONTNEED)
