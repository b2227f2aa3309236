"""Blocks of rows, the unit of a conversion's work: a thread reads, checks, quantizes and writes one."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from converters import ggml
from converters.checkpoint import ITEM_BYTES, SourceTensor
from converters.errors import ConvertError
from converters.imatrix import Columns, columns_of
from converters.journal import checksum
from converters.plan import PlannedTensor
from converters.rows import Reader, read_rows, row_blocks, scratch
from converters.unfinished import UnfinishedFile

_MAX_F16 = 65504.0
"""The largest finite value of IEEE 754's binary16."""


@dataclass(frozen=True)
class Job:
    """One source tensor and all places it goes to."""

    source: SourceTensor
    targets: tuple[tuple[PlannedTensor, UnfinishedFile], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of work it is made of: reading a dtype, making types."""
        return _reading(self.source), *dict.fromkeys(tensor.type for tensor, _ in self.targets)

    @property
    def values(self) -> int:
        return math.prod(self.source.shape)


@dataclass(frozen=True)
class Handled:
    """What a block gives back: a digest of its bytes by type, and the seconds that each kind of work took."""

    source_bytes: int
    values: int
    digests: Mapping[str, bytes]
    seconds: Mapping[str, float]


class Block:
    """Some rows of one tensor: read, check, quantize for each target, write. None if it was stopped."""

    def __init__(
        self,
        making: Making,
        number: int,
        rows: tuple[int, int],
        weights: Columns | None,
        reader: Reader,
        stop: threading.Event,
    ) -> None:
        self.making, self.number = making, number
        self._first_row, self._rows = rows
        self._weights, self._reader, self._stop = weights, reader, stop

    def __call__(self) -> Handled | None:
        if self._stop.is_set():
            return None
        source, columns = self.making.job.source, self.making.job.source.shape[-1]
        start = time.perf_counter()
        values = read_rows(self._reader, source, self._first_row, self._rows)
        seconds = {_reading(source): time.perf_counter() - start}
        made: dict[str, npt.NDArray[np.uint8]] = {}
        digests: dict[str, bytes] = {}
        for tensor, file in self.making.job.targets:
            if self._stop.is_set():
                return None
            start = time.perf_counter()
            if tensor.type not in made:
                made[tensor.type] = _quantize(tensor, values, self._weights)
                digests[tensor.type] = hashlib.sha256(made[tensor.type].data).digest()
            offset = tensor.offset + self._first_row * ggml.row_bytes(tensor.type, columns)
            file.pending.write_at(offset, made[tensor.type].data)
            seconds[tensor.type] = seconds.get(tensor.type, 0.0) + time.perf_counter() - start
        size = self._rows * columns
        return Handled(size * ITEM_BYTES[source.dtype], size, digests, seconds)


@dataclass
class Making:
    """A job whose blocks are being handled: the digests of those that were, by their number."""

    job: Job
    blocks: int
    digests: dict[int, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return len(self.digests) == self.blocks

    def checksum(self, type_name: str) -> str:
        """Of the whole tensor in one of its types."""
        return checksum(self.digests[number][type_name] for number in range(self.blocks))


def blocks_of(job: Job, importance: Mapping[str, Columns], reader: Reader, stop: threading.Event) -> Iterator[Block]:
    """A job's blocks, in the order in which they are to be handled."""
    weights = columns_of(importance, job.targets[0][0].name, job.source.shape[-1])
    spans = list(row_blocks(job.source.shape))
    making = Making(job, len(spans))
    for number, rows in enumerate(spans):
        yield Block(making, number, rows, weights, reader, stop)


def _reading(source: SourceTensor) -> str:
    return f"read {source.dtype}"


def _quantize(tensor: PlannedTensor, values: npt.NDArray[np.float32], weights: Columns | None) -> npt.NDArray[np.uint8]:
    size = values.shape[0] * ggml.row_bytes(tensor.type, values.shape[1])
    if tensor.type == "F32":
        return values.reshape(-1).view(np.uint8)
    if tensor.type == "F16" and max(values.max(), -values.min()) > _MAX_F16:
        raise ConvertError(
            f"{tensor.source.name} has values that F16 cannot hold (beyond ±65,504).", "Convert to BF16 or F32 instead."
        )
    out = scratch(tensor.type, size)
    if ggml.quantize(tensor.type, values, out, weights) != size or not ggml.is_valid(tensor.type, out):
        raise ConvertError(f"{tensor.source.name} cannot be stored as {tensor.type}.", "Choose another type with -t.")
    return out
