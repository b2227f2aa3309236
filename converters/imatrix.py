"""Importance matrices: how much each input column of a matrix matters, measured on text.

The file is llama.cpp's (tools/imatrix): a GGUF with `general.type` = imatrix and, for each matrix, `NAME.in_sum2` [the
sum of squares of each input column] and `NAME.counts` [1: how many inputs]. Weights are the quotient, in float32, as
llama-quantize computes them, so that the quantized bytes are the same.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGUFWriter

from converters.errors import ConvertError
from converters.gguf_file import StoredTensor, read_gguf
from converters.gguf_header import header_bytes

_MAX_VALUES = 1 << 26
"""Columns that a matrix may have. Chosen: far beyond any model (24,576 in StarCoder2-15B), and 256 MB at most."""

Columns = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImportanceMatrix:
    """`weights` maps a GGUF tensor name to its mean squared input by column [columns], float32."""

    name: str
    datasets: tuple[str, ...]
    chunks: int
    weights: Mapping[str, Columns] = field(repr=False)


def read_imatrix(path: Path) -> ImportanceMatrix:
    """Read llama.cpp's GGUF format. ConvertError (exit code 2) for any other, and for values that are not finite."""
    file = read_gguf(path)
    if file.get("general.type") != "imatrix":
        raise ConvertError(f"{path} is not an importance matrix.", "Make one with `localcoder calibrate`.", exit_code=2)
    tensors = {tensor.name: tensor for tensor in file.tensors}
    if file.complete_bytes > file.file_bytes:
        raise ConvertError(f"{path} is cut off.", "Make it again with `localcoder calibrate`.", exit_code=2)
    weights = {}
    with path.open("rb") as data:
        for name, tensor in tensors.items():
            matrix, kind = name.rsplit(".", 1) if "." in name else (name, "")
            if kind != "in_sum2":
                continue
            if f"{matrix}.counts" not in tensors:
                raise ConvertError(f"{path}: {matrix} has sums and no counts.", exit_code=2)
            sums = _values(path, data, tensor)
            count = _values(path, data, tensors[f"{matrix}.counts"])
            if count.size != 1:
                raise ConvertError(f"{path} is of a mixture of experts, which StarCoder2 is not.", exit_code=2)
            with np.errstate(all="ignore"):
                weights[matrix] = sums / count[0] if count[0] > 0 else np.ones_like(sums)
            if not np.isfinite(weights[matrix]).all() or (weights[matrix] < 0).any():
                raise ConvertError(f"{path}: {matrix} has values that are not finite.", "Make it again.", exit_code=2)
    if not weights:
        raise ConvertError(
            f"{path} is an empty importance matrix.", "Make one with `localcoder calibrate`.", exit_code=2
        )
    datasets = file.get("imatrix.datasets", [])
    chunks = file.get("imatrix.chunk_count", 0)
    return ImportanceMatrix(
        path.name,
        tuple(map(str, datasets)) if isinstance(datasets, list) else (),
        chunks if isinstance(chunks, int) else 0,
        weights,
    )


def require_same_model(matrix: ImportanceMatrix, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a matrix of another model; `shapes` are PyTorch's, by GGUF name. The embedding's is never used."""
    for name, weights in matrix.weights.items():
        if name in shapes and name != "token_embd.weight" and shapes[name][-1] != weights.size:
            raise ConvertError(
                f"{matrix.name} is of another model: {name} has {weights.size} columns there and "
                f"{shapes[name][-1]} here.",
                "Make one from this model.",
                exit_code=2,
            )
    if not any(name in shapes for name in matrix.weights):
        raise ConvertError(f"{matrix.name} is of another model.", "Make one from this model.", exit_code=2)


def columns_of(weights: Mapping[str, Columns], name: str, columns: int) -> Columns | None:
    """A tensor's weights, or None. An embedding's may be of another size, and llama-quantize leaves those out too."""
    found = weights.get(name)
    return found if found is not None and found.size == columns else None


def imatrix_bytes(
    sums: Mapping[str, npt.NDArray[np.float64]],
    counts: Mapping[str, int],
    datasets: list[str],
    chunks: int,
    chunk_tokens: int,
) -> bytes:
    """The file as llama-imatrix writes it: `sums` are Σx² by column, `counts` the inputs they were summed over."""
    writer = GGUFWriter(None, "")
    # An importance matrix has no architecture, which the writer adds by itself.
    writer.kv_data[0].clear()
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", datasets)
    writer.add_uint32("imatrix.chunk_count", chunks)
    writer.add_uint32("imatrix.chunk_size", chunk_tokens)
    for name in sorted(sums):
        writer.add_tensor(f"{name}.in_sum2", sums[name].astype(np.float32)[None, :])
        writer.add_tensor(f"{name}.counts", np.array([[counts[name]]], np.float32))
    data = bytearray(header_bytes(writer))
    for name in sorted(sums):
        for values in (sums[name].astype("<f4"), np.array([counts[name]], "<f4")):
            data += bytes(-len(data) % 32) + values.tobytes()
    return bytes(data + bytes(-len(data) % 32))


def _values(path: Path, data: io.BufferedReader, tensor: StoredTensor) -> Columns:
    if tensor.type != "F32" or math.prod(tensor.shape) > _MAX_VALUES:
        raise ConvertError(f"{path}: {tensor.name} is not a row of F32.", exit_code=2)
    data.seek(tensor.offset)
    return np.frombuffer(data.read(tensor.size_bytes), "<f4").astype(np.float32)
