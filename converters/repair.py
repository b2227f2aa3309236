"""Fix the metadata of a StarCoder2 GGUF: a new header before the same tensor bytes.

What is written comes from the file's own vocabulary, or from the published config of a model of its shape. Nothing is
guessed: a problem that neither can fix is left, and named.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter

from converters.errors import ConvertError
from converters.gguf_file import GgufFile, Key, read_gguf
from converters.gguf_header import header_bytes
from converters.inspection import Problem, metadata_problems, published, tokens_of
from converters.output import PendingFile, require_space
from converters.progress import Progress
from converters.rows import Reader
from converters.tokenizer import END_OF_TEXT, FIM_TOKENS, PRE_TOKENIZER

_COPY_BYTES = 8 << 20
"""Bytes copied between two events. Chosen: some milliseconds of work, and little memory."""


@dataclass(frozen=True)
class Repaired:
    """`fixed` are the problems that are gone, `left` those that remain."""

    path: Path
    sha256: str
    fixed: tuple[Problem, ...]
    left: tuple[Problem, ...]


def repair(source: Path, target: Path) -> Generator[Progress, None, Repaired]:
    """Write `target`, another file than `source`. ConvertError if nothing can be fixed."""
    file = read_gguf(source)
    if target.is_dir() or (target.exists() and target.samefile(source)):
        raise ConvertError(f"{target} cannot be the output.", "Give another path.", exit_code=2)
    if file.complete_bytes > file.file_bytes:
        raise ConvertError(f"{source}: its data are cut off.", "Download or convert it again.")
    before = tuple(metadata_problems(file))
    keys = dict(file.keys) | fixed_keys(file)
    after = tuple(metadata_problems(replace(file, keys=keys)))
    fixed = tuple(problem for problem in before if problem not in after)
    if not fixed:
        found = before[0].what if before else "nothing is wrong with its metadata"
        raise ConvertError(f"{source}: nothing to fix ({found}).", "See `localcoder inspect`.")
    header, offsets = _layout(file, keys)
    digest = yield from _copy(file, target, header, offsets)
    return Repaired(target, digest, fixed, after)


def fixed_keys(file: GgufFile) -> dict[str, Key]:
    """The keys that are missing or wrong, with their right values."""
    found: dict[str, Key] = {}
    tokens, shape = tokens_of(file), published(file)
    codes = {problem.code for problem in metadata_problems(file) if problem.repairable}
    if "pre_tokenizer" in codes:
        found["tokenizer.ggml.pre"] = Key(("STRING",), PRE_TOKENIZER)
    if "rope_base" in codes and shape:
        found["starcoder2.rope.freq_base"] = Key(("FLOAT32",), shape["rope_base"])
    if "sliding_window" in codes and shape:
        found["starcoder2.attention.sliding_window"] = Key(("UINT32",), int(shape["window"]))
    names = {**FIM_TOKENS, "eos": END_OF_TEXT, "bos": END_OF_TEXT}
    for stem, text in names.items():
        if f"{stem}_token_id" in codes:
            found[f"tokenizer.ggml.{stem}_token_id"] = Key(("UINT32",), tokens.index(text))
    return found


def _layout(file: GgufFile, keys: Mapping[str, Key]) -> tuple[bytes, list[int]]:
    """The new header, and each tensor's offset after it."""
    writer = GGUFWriter(None, "")
    # The writer begins with an architecture of its own; the file's keys are kept in their order instead.
    writer.kv_data[0].clear()
    writer.data_alignment = file.alignment
    for name, key in keys.items():
        if key.value == [] or key.value == "":
            continue
        sub_type = GGUFValueType[key.types[1]] if len(key.types) > 1 else None
        writer.add_key_value(name, key.value, GGUFValueType[key.types[0]], sub_type)
    for tensor in file.tensors:
        kind = GGMLQuantizationType[tensor.type]
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), tensor.size_bytes, kind)
    header = header_bytes(writer)
    offsets, offset = [], len(header)
    for tensor in file.tensors:
        offsets.append(offset)
        offset += -(-tensor.size_bytes // file.alignment) * file.alignment
    return header, [*offsets, offset]


def _copy(file: GgufFile, target: Path, header: bytes, offsets: list[int]) -> Generator[Progress, None, str]:
    require_space([(target, offsets[-1])])
    total, done, start = sum(t.size_bytes for t in file.tensors), 0, time.monotonic()
    pending = PendingFile(target, offsets[-1])
    try:
        pending.write_at(0, header)
        with Reader(file.path) as reader:
            for tensor, (offset, following) in zip(file.tensors, pairwise(offsets), strict=True):
                for first in range(0, tensor.size_bytes, _COPY_BYTES):
                    block = np.empty(min(_COPY_BYTES, tensor.size_bytes - first), np.uint8)
                    reader.read_into(block, tensor.offset + first)
                    pending.write_at(offset + first, block.data)
                    pending.hash_along()
                    done += block.nbytes
                    yield Progress("repair", done, total, done / max(time.monotonic() - start, 1e-9))
                pending.mark_final(offset + tensor.size_bytes, following)
        return pending.commit()
    finally:
        pending.discard()
