"""What a GGUF file is, and what is wrong with it.

Each problem is one that was seen in published StarCoder2 files or in files whose writing was interrupted. Those of the
metadata can be fixed (converters.repair); those of the data cannot.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gguf import LlamaFileType

from converters import ggml
from converters.errors import ConvertError
from converters.gguf_file import GgufFile, StoredTensor, read_gguf
from converters.progress import Progress
from converters.rows import Reader
from converters.tokenizer import END_OF_TEXT, FIM_TOKENS, PRE_TOKENIZER

_CHECK_BYTES = 8 << 20
"""Bytes read and checked between two events. Chosen: some milliseconds of work, and little memory."""

PUBLISHED = {
    (30, 3072): {"rope_base": 999999.4420358813, "window": 4096},
    (32, 4608): {"rope_base": 1000000.0, "window": 4096},
    (40, 6144): {"rope_base": 100000.0, "window": 4096},
}
"""(layers, width) of StarCoder2-3B, 7B, 15B → what their config.json says."""


@dataclass(frozen=True)
class Problem:
    """`code` is stable, for programs; `repairable` says that `localcoder repair` fixes it."""

    code: str
    what: str
    repairable: bool = False


@dataclass(frozen=True)
class Inspection:
    """A file as it is. `file` is None where not even the header could be read."""

    path: Path
    file: GgufFile | None = field(repr=False)
    problems: tuple[Problem, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """The facts by name: for JSON, and to show."""
        if self.file is None:
            return {}
        file = self.file
        architecture = str(file.get("general.architecture", ""))
        keys = {
            "layers": "block_count",
            "width": "embedding_length",
            "ffn": "feed_forward_length",
            "heads": "attention.head_count",
            "kv_heads": "attention.head_count_kv",
            "context": "context_length",
            "sliding_window": "attention.sliding_window",
            "rope_base": "rope.freq_base",
        }
        weights = sum(int(np.prod(t.shape, dtype=np.float64)) for t in file.tensors)
        data = sum(t.size_bytes for t in file.tensors)
        return {
            "architecture": architecture,
            "kind": file.get("general.type", "model"),
            "name": file.get("general.name"),
            "license": file.get("general.license"),
            "source": file.get("general.source.url"),
            "file_type": _file_type(file),
            "bytes": file.file_bytes,
            "tensors": len(file.tensors),
            "parameters": weights,
            "bits_per_weight": round(8 * data / weights, 3) if weights else None,
            **{name: file.get(f"{architecture}.{key}") for name, key in keys.items()},
            "vocabulary": len(tokens_of(file)),
            "pre_tokenizer": file.get("tokenizer.ggml.pre"),
            "eos": file.get("tokenizer.ggml.eos_token_id"),
            "fim": {stem: file.get(f"tokenizer.ggml.{stem}_token_id") for stem in FIM_TOKENS},
            "chat_template": "tokenizer.chat_template" in file.keys,
            "imatrix": file.get("quantize.imatrix.file"),
            "split": file.get("split.count"),
            "types": dict(Counter(tensor.type for tensor in file.tensors).most_common()),
        }


def inspect(path: Path, *, data: bool = True) -> Generator[Progress, None, Inspection]:
    """Look at a file; yields progress while rows are checked, which `data=False` leaves out.

    A file that is malformed is described, not raised; ConvertError (exit code 2) only if there is none.
    """
    if not path.is_file():
        raise ConvertError(f"{path}: no such file.", "Give a GGUF file.", exit_code=2)
    try:
        file = read_gguf(path)
    except ConvertError as error:
        return Inspection(path, None, (Problem("header", error.what.removeprefix(f"{path}: ")),))
    problems = [*metadata_problems(file), *_misplaced_tensors(file)]
    if file.complete_bytes > file.file_bytes:
        missing = file.complete_bytes - file.file_bytes
        problems.append(Problem("truncated", f"the data are cut off: {missing:,} bytes are missing"))
    elif data:
        problems += yield from _data_problems(file)
    return Inspection(path, file, tuple(problems))


def metadata_problems(file: GgufFile) -> Iterator[Problem]:
    """Problems that the header alone shows. Only models are checked, not adapters and other kinds of files."""
    if file.get("general.architecture") != "starcoder2":
        if file.get("general.type") != "imatrix":
            yield Problem("architecture", f"it is {file.get('general.architecture', 'nothing')!s:.40}, not starcoder2")
        return
    if file.get("general.type", "model") != "model" or file.get("split.no", 0) != 0:
        return
    tokens = tokens_of(file)
    if not tokens:
        yield Problem("vocabulary", "there is no vocabulary")
    pre = file.get("tokenizer.ggml.pre")
    if pre != PRE_TOKENIZER:
        was = f"is {pre!s:.30}" if pre else "is missing"
        yield Problem("pre_tokenizer", f"the pre-tokenizer {was}: text is tokenized wrongly", True)
    shape = published(file)
    if not isinstance(file.get("starcoder2.rope.freq_base"), float):
        yield Problem("rope_base", "the rope base is missing: 10,000 is assumed, which is wrong", bool(shape))
    if not isinstance(file.get("starcoder2.attention.sliding_window"), int):
        yield Problem("sliding_window", "the sliding window is missing", bool(shape))
    for stem, text in FIM_TOKENS.items():
        wanted = tokens.index(text) if text in tokens else None
        found = file.get(f"tokenizer.ggml.{stem}_token_id")
        if found is None or found != wanted:
            how = "is missing" if found is None else f"is {found}, not {wanted}"
            yield Problem(f"{stem}_token_id", f"the id of {text} {how}", wanted is not None)
    for kind in ("eos", "bos"):
        token = file.get(f"tokenizer.ggml.{kind}_token_id")
        if not isinstance(token, int) or token >= len(tokens):
            how = "is missing" if token is None else f"{token!s:.20} is not in the vocabulary of {len(tokens):,}"
            yield Problem(f"{kind}_token_id", f"the {kind} token {how}", END_OF_TEXT in tokens)
    if "split.count" not in file.keys:
        yield from _missing_tensors(file)


def published(file: GgufFile) -> Mapping[str, float] | None:
    """What the config of the published model of this shape says, if it is one of them."""
    size = (file.get("starcoder2.block_count"), file.get("starcoder2.embedding_length"))
    return PUBLISHED.get(size) if all(isinstance(n, int) for n in size) else None


def tokens_of(file: GgufFile) -> list[str]:
    tokens = file.get("tokenizer.ggml.tokens", [])
    return tokens if isinstance(tokens, list) and all(isinstance(t, str) for t in tokens) else []


def _missing_tensors(file: GgufFile) -> Iterator[Problem]:
    layers = file.get("starcoder2.block_count")
    names = {tensor.name for tensor in file.tensors}
    if not isinstance(layers, int) or not 0 < layers <= 1000:
        yield Problem("block_count", "the number of layers is missing or absurd")
        return
    parts = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_up", "ffn_down")
    wanted = ["token_embd.weight", "output_norm.weight"]
    wanted += [f"blk.{i}.{part}.weight" for i in range(layers) for part in parts]
    if missing := [name for name in wanted if name not in names]:
        yield Problem("tensors", f"{len(missing)} tensors are missing, {missing[0]} the first")


def _misplaced_tensors(file: GgufFile) -> Iterator[Problem]:
    """Tensors must follow each other without a gap: llama.cpp refuses a file where one does not."""
    expected = file.data_offset
    for tensor in file.tensors:
        if tensor.offset != expected:
            yield Problem("offsets", f"{tensor.name} is not where the tensor before it ends")
            return
        expected += -(-tensor.size_bytes // file.alignment) * file.alignment


def _data_problems(file: GgufFile) -> Generator[Progress, None, list[Problem]]:
    """Rows that `ggml_validate_row_data` rejects: at most one problem for each tensor."""
    total, done, start = sum(t.size_bytes for t in file.tensors), 0, time.monotonic()
    problems = []
    with Reader(file.path) as reader:
        for tensor in file.tensors:
            bad = False
            for offset, size in _spans(tensor):
                if not bad:
                    buffer = np.empty(size, np.uint8)
                    reader.read_into(buffer, tensor.offset + offset)
                    bad = not ggml.is_valid(tensor.type, buffer)
                done += size
                yield Progress("inspect", done, total, done / max(time.monotonic() - start, 1e-9))
            if bad:
                problems.append(Problem("data", f"{tensor.name} holds values that are not finite numbers"))
    return problems


def _spans(tensor: StoredTensor) -> Sequence[tuple[int, int]]:
    """(offset, bytes) of whole blocks."""
    block = ggml.row_bytes(tensor.type, ggml.block_values(tensor.type))
    step = max(1, _CHECK_BYTES // block) * block
    return [(start, min(step, tensor.size_bytes - start)) for start in range(0, tensor.size_bytes, step)]


def _file_type(file: GgufFile) -> str | None:
    value = file.get("general.file_type")
    try:
        return LlamaFileType(value).name.removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        return None
