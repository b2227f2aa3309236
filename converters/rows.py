"""Rows of a checkpoint as float32: positioned reads into buffers that each thread uses again."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from converters import ggml
from converters.checkpoint import ITEM_BYTES, SourceTensor
from converters.errors import ConvertError
from converters.progress import Progress

BLOCK_VALUES = 1 << 19
"""Values that a thread handles at a time: 2 MiB as float32. Chosen: many rows, so that calls cost nothing beside the
work, and still a fraction of a second in the slowest type, so that a stop is prompt."""


_SAMPLES, _SAMPLE_BYTES = 16, 4096
"""Places in a shard, and bytes at each, that tell it from another of its size and time. Chosen: next to nothing to
read, and training changes every tensor."""


class ShardSource(Protocol):
    """Where a shard's bytes come from. The hub's implementation downloads it in `fetch` and may delete it after use."""

    @property
    def fetches_all(self) -> bool:
        """Whether shards are to be fetched too of which nothing is needed any more."""
        ...

    def identity(self, shard: str) -> str:
        """Text that is another one if the shard's bytes are others; the shard need not have been fetched."""
        ...

    def space(self) -> Sequence[tuple[Path, int]]:
        """Files that `fetch` will put on disk: (path, bytes)."""
        ...

    def fetch(self, shard: str) -> Iterator[Progress]:
        """Make the shard available to `open`."""
        ...

    def open(self, shard: str) -> AbstractContextManager[Path]:
        """The shard as a file on disk, for as long as the context lasts."""
        ...


class LocalShards:
    """Shards that lie in a directory, and stay there."""

    fetches_all = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def identity(self, shard: str) -> str:
        """Size, time of change, and a digest of samples."""
        path = self._directory / shard
        try:
            with path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                digest = hashlib.sha256()
                for k in range(_SAMPLES):
                    file.seek(max(0, status.st_size - _SAMPLE_BYTES) * k // (_SAMPLES - 1))
                    digest.update(file.read(_SAMPLE_BYTES))
        except OSError as error:
            raise ConvertError(f"{path}: {error.strerror or error}.", exit_code=2) from None
        return f"{status.st_size} {status.st_mtime_ns} {digest.hexdigest()}"

    def space(self) -> Sequence[tuple[Path, int]]:
        return ()

    def fetch(self, shard: str) -> Iterator[Progress]:
        return iter(())

    def open(self, shard: str) -> AbstractContextManager[Path]:
        return _Present(self._directory / shard)


class _Present(AbstractContextManager[Path]):
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        return None


def row_blocks(shape: tuple[int, ...], values: int = BLOCK_VALUES) -> Iterator[tuple[int, int]]:
    """(first row, rows) of blocks of about that many values, over all rows of a tensor."""
    rows = int(np.prod(shape[:-1], dtype=np.int64))
    step = max(1, values // shape[-1])
    for first in range(0, rows, step):
        yield first, min(step, rows - first)


_local = threading.local()


def read_rows(reader: Reader, source: SourceTensor, first_row: int, rows: int) -> npt.NDArray[np.float32]:
    """Rows as float32 [rows × columns], in a buffer that the thread's next call reuses. Refuses NaN and infinity."""
    columns = source.shape[-1]
    size = rows * columns * ITEM_BYTES[source.dtype]
    values = scratch("values", rows * columns * 4).view(np.float32)
    raw = values.view(np.uint8) if source.dtype == "F32" else scratch("raw", size)
    reader.read_into(raw, source.offset + first_row * columns * ITEM_BYTES[source.dtype])
    if source.dtype != "F32":
        ggml.to_float(source.dtype, raw, values)
    # min and max are NaN if any value is, at a tenth of what looking at each value costs.
    if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise ConvertError(
            f"{source.shard}: {source.name} holds NaN or infinite values.",
            "The checkpoint is damaged, or its training failed.",
        )
    return values.reshape(rows, columns)


def scratch(key: str, size: int) -> npt.NDArray[np.uint8]:
    """Scratch memory of this thread, grown as needed and used again."""
    buffers: dict[str, npt.NDArray[np.uint8]] = _local.__dict__.setdefault("buffers", {})
    if key not in buffers or buffers[key].nbytes < size:
        buffers[key] = np.empty(size, np.uint8)
    return buffers[key][:size]


class Reader:
    """Positioned reads from one file, from any thread."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._lock = threading.Lock()
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise ConvertError(f"{path}: {error.strerror or error}.", exit_code=2) from None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read_into(self, out: npt.NDArray[np.uint8], offset: int) -> None:
        view = memoryview(out.data).cast("B")
        try:
            while view:
                count = self._read(view, offset)
                if count <= 0:
                    raise ConvertError(
                        f"{self._name} became shorter while it was read.", "Leave it alone and try again."
                    )
                offset, view = offset + count, view[count:]
        except OSError as error:
            what = f"{self._name}: {error.strerror or error}."
            raise ConvertError(what, "The disk may be failing.", is_passing=True) from None

    def _read(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [view], offset)
        with self._lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(view))
        view[: len(data)] = data
        return len(data)
