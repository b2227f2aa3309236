"""What will be written, to the byte, before anything is: files, headers, tensors, types, offsets.

GGUF is described in ggml's docs/gguf.md. Headers are made by gguf's own writer; offsets follow its rule, each tensor on
the next multiple of the alignment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter

from converters import ggml
from converters.checkpoint import SourceTensor
from converters.errors import ConvertError
from converters.gguf_header import header_bytes

ALIGNMENT = 32
"""GGUF's default for `general.alignment`, in bytes."""


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor of an output: `shape` as in PyTorch, `offset` from the file's first byte."""

    name: str
    type: str
    shape: tuple[int, ...]
    size_bytes: int
    offset: int
    source: SourceTensor


@dataclass(frozen=True)
class PlannedFile:
    """One file: `header` is everything before the first tensor's bytes."""

    path: Path
    header: bytes = field(repr=False)
    tensors: tuple[PlannedTensor, ...]
    size_bytes: int


@dataclass(frozen=True)
class PlannedOutput:
    """One GGUF, in one file or several. `type` is the recipe's name."""

    type: str
    files: tuple[PlannedFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class ConversionPlan:
    """All that one pass writes. `importance` maps GGUF names to column weights (float32)."""

    outputs: tuple[PlannedOutput, ...]
    importance: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @property
    def files(self) -> tuple[PlannedFile, ...]:
        return tuple(file for output in self.outputs for file in output.files)


def plan_files(
    path: Path,
    sources: Mapping[str, SourceTensor],
    types: Mapping[str, str],
    add_keys: Callable[[GGUFWriter], None],
    split_max_bytes: int = 0,
) -> tuple[PlannedFile, ...]:
    """Lay out one output.

    `sources` and `types` are by GGUF name, in file order. With `split_max_bytes`, tensors go to
    `NAME-00001-of-00003.gguf` and so on, as llama.cpp names them: no file has more tensor bytes than that, unless one
    tensor alone has.
    """
    sized = [(name, types[name], source, tensor_bytes(types[name], source.shape)) for name, source in sources.items()]
    parts = _split([size for *_, size in sized], split_max_bytes)
    files = []
    for number, (start, end) in enumerate(parts):
        header = _header(sized[start:end], add_keys, number, len(parts), len(sized))
        offset, tensors = len(header), []
        for name, type_name, source, size in sized[start:end]:
            tensors.append(PlannedTensor(name, type_name, source.shape, size, offset, source))
            offset += _padded(size)
        name = path.name if len(parts) == 1 else f"{path.stem}-{number + 1:05d}-of-{len(parts):05d}.gguf"
        files.append(PlannedFile(path.with_name(name), header, tuple(tensors), offset))
    return tuple(files)


def tensor_bytes(type_name: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor's data; the last dimension is the row."""
    return math.prod(shape[:-1]) * ggml.row_bytes(type_name, shape[-1])


def refuse_overwriting(plan: ConversionPlan, inputs: Sequence[Path]) -> None:
    """Refuse a plan in which an output is an input, or two outputs have one path."""
    paths = [file.path for file in plan.files]
    if len({path.resolve() for path in paths}) != len(paths):
        raise ConvertError("Two outputs would have the same name.", "Ask for each type once.", exit_code=2)
    for path in paths:
        for taken in inputs:
            if path.exists() and taken.exists() and path.samefile(taken):
                raise ConvertError(
                    f"{path} is an input of this conversion.", "Give another output with -o.", exit_code=2
                )
        if path.is_dir():
            raise ConvertError(f"{path} is a directory.", "Give another output with -o.", exit_code=2)


def _split(sizes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Consecutive index ranges whose padded sizes stay within the limit."""
    if not limit:
        return [(0, len(sizes))]
    parts, start, used = [], 0, 0
    for index, size in enumerate(sizes):
        if index > start and used + _padded(size) > limit:
            parts.append((start, index))
            start, used = index, 0
        used += _padded(size)
    return [*parts, (start, len(sizes))]


def _header(
    tensors: Sequence[tuple[str, str, SourceTensor, int]],
    add_keys: Callable[[GGUFWriter], None],
    number: int,
    count: int,
    total: int,
) -> bytes:
    writer = GGUFWriter(None, "starcoder2")
    if number == 0:
        add_keys(writer)
    if count > 1:
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", total)
    for name, type_name, source, size in tensors:
        writer.add_tensor_info(name, source.shape, np.dtype(np.float32), size, GGMLQuantizationType[type_name])
    return header_bytes(writer)


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
