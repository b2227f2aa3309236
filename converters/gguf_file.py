"""A GGUF file's header, read without trusting it: its keys, and where each tensor lies.

The format is described in ggml's docs/gguf.md. gguf's own reader maps the file, trusts its counts, and needs seconds
for a vocabulary; this one is bounded by the file's size, and gives one ConvertError for whatever is malformed.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from converters.errors import ConvertError

MAX_HEADER_BYTES = 256 << 20
"""Chosen, as the two limits below: at least a hundred times what the 15B's file has (2 MB, 30 keys, 644 tensors)."""

_MAX_KEYS = 1 << 16
_MAX_TENSORS = 1 << 20
_SCALARS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
    GGUFValueType.BOOL: "?",
}


@dataclass(frozen=True)
class Key:
    """A value and its type, as gguf's reader names them: ("UINT32",) or ("ARRAY", "STRING")."""

    types: tuple[str, ...]
    value: Any = field(repr=False)


@dataclass(frozen=True)
class StoredTensor:
    """`shape` as in PyTorch (the row last), `offset` from the file's first byte."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class GgufFile:
    """A header. `header_bytes` ends before the padding, `data_offset` is where the first tensor may start."""

    path: Path
    keys: Mapping[str, Key] = field(repr=False)
    tensors: tuple[StoredTensor, ...] = field(repr=False)
    alignment: int
    header_bytes: int
    data_offset: int
    file_bytes: int

    def get(self, key: str, default: Any = None) -> Any:
        """A key's value, or the default."""
        return self.keys[key].value if key in self.keys else default

    @property
    def complete_bytes(self) -> int:
        """The least size of a file that has all its data."""
        return max((t.offset + t.size_bytes for t in self.tensors), default=self.header_bytes)


def read_gguf(path: Path) -> GgufFile:
    """Read and check a header; the tensors' bytes are not looked at. ConvertError (exit code 2) if malformed."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConvertError(f"{path} is not a regular file.", exit_code=2)
            return _Parser(file, path, status.st_size).parse()
    except FileNotFoundError:
        raise ConvertError(f"{path}: no such file.", exit_code=2) from None
    except OSError as error:
        raise ConvertError(f"{path}: {error.strerror or error}.", exit_code=2) from None


class _Parser:
    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file, self._path, self._size, self._position = file, path, size, 0

    def parse(self) -> GgufFile:
        magic = self._take(4)
        if magic != b"GGUF":
            zeroed = magic == bytes(4)
            raise self._bad("its header is zeroed: the writing was interrupted" if zeroed else "it is not a GGUF file")
        version = self._number("I")
        if version not in (2, 3):
            raise self._bad("it is big-endian" if version >= 1 << 16 else f"its version is {version}, not 2 or 3")
        tensor_count, key_count = self._number("Q"), self._number("Q")
        if key_count > _MAX_KEYS or tensor_count > _MAX_TENSORS:
            raise self._bad("its header has impossible counts")
        keys: dict[str, Key] = {}
        for _ in range(key_count):
            name = self._string()
            if name in keys:
                raise self._bad(f"the key {name[:60]!r} is there twice")
            keys[name] = self._value(name)
        alignment = keys["general.alignment"].value if "general.alignment" in keys else 32
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
            raise self._bad(f"its alignment is {str(alignment)[:20]}")
        infos = [self._tensor() for _ in range(tensor_count)]
        end = self._position
        base = -(-end // alignment) * alignment
        tensors = tuple(StoredTensor(n, t, shape, base + offset, size) for n, t, shape, offset, size in infos)
        if len({t.name for t in tensors}) != len(tensors):
            raise self._bad("two tensors have one name")
        if any((t.offset - base) % alignment for t in tensors):
            raise self._bad("a tensor is not aligned")
        return GgufFile(self._path, keys, tensors, alignment, end, base, self._size)

    def _tensor(self) -> tuple[str, str, tuple[int, ...], int, int]:
        name, dimensions = self._string(), self._number("I")
        if not 1 <= dimensions <= 4:
            raise self._bad(f"tensor {name[:60]!r} has {dimensions} dimensions")
        shape = tuple(reversed(struct.unpack(f"<{dimensions}Q", self._take(8 * dimensions))))
        number, offset = self._number("I"), self._number("Q")
        try:
            kind = GGMLQuantizationType(number)
        except ValueError:
            raise self._bad(f"tensor {name[:60]!r} has the unknown type {number}") from None
        values, block_bytes = GGML_QUANT_SIZES[kind]
        if any(n >= 1 << 40 for n in shape) or shape[-1] % values or offset >= 1 << 50:
            raise self._bad(f"tensor {name[:60]!r} has an impossible shape or place")
        return name, kind.name, shape, offset, math.prod(shape) // values * block_bytes

    def _value(self, key: str) -> Key:
        kind = self._kind(key)
        if kind is not GGUFValueType.ARRAY:
            return Key((kind.name,), self._scalar(kind))
        item, length = self._kind(key), self._number("Q")
        if item is GGUFValueType.ARRAY or length > self._size:
            raise self._bad(f"the key {key[:60]!r} is malformed")
        if item is GGUFValueType.STRING:
            return Key((kind.name, item.name), self._strings(length))
        code = _SCALARS[item]
        values = struct.unpack(f"<{length}{code}", self._take(length * struct.calcsize(code)))
        return Key((kind.name, item.name), list(values))

    def _kind(self, key: str) -> GGUFValueType:
        number = self._number("I")
        try:
            return GGUFValueType(number)
        except ValueError:
            raise self._bad(f"the key {key[:60]!r} has the unknown type {number}") from None

    def _scalar(self, kind: GGUFValueType) -> Any:
        return self._string() if kind is GGUFValueType.STRING else self._number(_SCALARS[kind])

    def _strings(self, length: int) -> list[str]:
        if length * 8 > self._size - self._position:
            raise self._bad("its header is cut off")
        return [self._string() for _ in range(length)]

    def _string(self) -> str:
        length = self._number("Q")
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self._bad("its header has text that is not UTF-8") from None

    def _number(self, code: str) -> Any:
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]

    def _take(self, count: int) -> bytes:
        self._position += count
        if self._position > self._size:
            raise self._bad("it is cut off inside its header")
        if self._position > MAX_HEADER_BYTES:
            raise self._bad("its header is too large")
        data = self._file.read(count)
        if len(data) != count:
            raise self._bad("it is cut off inside its header")
        return data

    def _bad(self, what: str) -> ConvertError:
        return ConvertError(f"{self._path}: {what}.", "Download or convert it again.", exit_code=2)
