"""A StarCoder2 checkpoint in the Hugging Face layout: config, shards, and where each tensor's bytes are.

The safetensors format is described at https://huggingface.co/docs/safetensors: an unsigned 64-bit little-endian
header length, a JSON header, then the tensors' bytes. Everything here comes from strangers, so it is checked before it
is used: header size, duplicate names, dtypes, shape × item size = span, spans that touch and cover the file.

Values are read with positioned reads and not through a memory map: what was read does not count as resident, and a file
that is truncated meanwhile is an error and not a SIGBUS.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.errors import ConvertError

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit (safetensors' `MAX_HEADER_SIZE`)."""

MAX_JSON_NODES = 4_000_000
"""Brackets and commas that a JSON file may hold. Chosen: twenty times what StarCoder2's tokenizer.json has, and few
enough that parsing allocates no more than a few hundred megabytes."""

INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"

ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
"""Dtype as a safetensors header names it → bytes of one value."""


@dataclass(frozen=True)
class SourceTensor:
    """One tensor of a checkpoint: `shape` as in PyTorch (rows first), `offset` from the shard's first byte."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds. Its weights may still be on the hub: only their headers were read then.

    `directory` holds config and tokenizer; `shards` maps each safetensors file to its size in bytes, in reading order.
    """

    directory: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, SourceTensor]
    shards: Mapping[str, int]
    name: str
    source_url: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def open_checkpoint(directory: Path) -> Checkpoint:
    """Read and check config, index and headers of a checkpoint on disk; no weights are read.

    Raises ConvertError (exit code 2) for whatever is missing or malformed.
    """
    if not directory.exists():
        raise ConvertError(
            f"{directory}: no such directory.", "Give the folder that holds config.json and the weights.", exit_code=2
        )
    if not directory.is_dir():
        raise ConvertError(
            f"{directory} is a file, not a checkpoint folder.",
            "Give the folder that holds config.json and the weights.",
            exit_code=2,
        )
    config = read_json_file(directory / "config.json")
    tensors: dict[str, SourceTensor] = {}
    shards: dict[str, int] = {}
    weight_map = _weight_map(directory)
    for shard in sorted(set(weight_map.values())) if weight_map else [SINGLE_NAME]:
        found = read_header(directory / shard)
        shards[shard] = (directory / shard).stat().st_size
        add_shard(tensors, found, shard)
    if weight_map:
        check_index(weight_map, tensors)
    repository = _cached_repository(directory)
    name = repository.rsplit("/", 1)[-1] or directory.resolve().name or "model"
    return Checkpoint(directory, config, tensors, shards, name, _source_url(directory, config, repository))


def add_shard(tensors: dict[str, SourceTensor], found: Mapping[str, SourceTensor], shard: str) -> None:
    """Add a shard's tensors to those of the shards before it; a tensor in two shards is an error."""
    if twice := sorted(tensors.keys() & found.keys()):
        raise ConvertError(f"{shard}: tensor {twice[0]} is in {tensors[twice[0]].shard} too.", _GET_AGAIN, exit_code=2)
    tensors.update(found)


def check_index(weight_map: Mapping[str, str], tensors: Mapping[str, SourceTensor]) -> None:
    """Every tensor must be in the shard that the index says."""
    for name, shard in weight_map.items():
        if name not in tensors or tensors[name].shard != shard:
            raise ConvertError(
                f"{shard}: tensor {name} is missing, although the index says it is there.", _GET_AGAIN, exit_code=2
            )


def parse_index(data: bytes, where: str) -> dict[str, str]:
    """Tensor name → shard name, of `model.safetensors.index.json`; a shard name with a path in it is refused."""
    index = parse_json(data, where)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ConvertError(f"{where}: no weight_map.", _GET_AGAIN, exit_code=2)
    for shard in weight_map.values():
        if not isinstance(shard, str) or not is_plain_name(shard) or not shard.endswith(".safetensors"):
            raise ConvertError(
                f"{where}: {str(shard)[:80]!r} is not a plain .safetensors file name.",
                "Such an index could read or write anywhere; do not use it.",
                exit_code=2,
            )
    return weight_map


def is_plain_name(name: str) -> bool:
    """A file name with no path in it, on any system."""
    return bool(name) and not name.startswith(".") and not any(c in "/\\:" or ord(c) < 32 for c in name)


def read_header(path: Path) -> dict[str, SourceTensor]:
    """The checked header of one safetensors file on disk."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConvertError(f"{path} is not a regular file.", _GET_AGAIN, exit_code=2)
            length = header_length(file.read(8), status.st_size, path.name)
            data = file.read(length)
    except FileNotFoundError:
        raise ConvertError(f"{path}: the shard is missing.", _GET_AGAIN, exit_code=2) from None
    except OSError as error:
        raise ConvertError(f"{path}: {error.strerror or error}.", exit_code=2) from None
    return parse_header(data, status.st_size, path.name)


def header_length(prefix: bytes, file_bytes: int, shard: str) -> int:
    """Bytes of JSON that follow the first 8 bytes, checked against the file's size and the format's limit."""
    if len(prefix) < 8:
        raise ConvertError(f"{shard}: too short for a safetensors file.", _GET_AGAIN, exit_code=2)
    length: int = struct.unpack("<Q", prefix)[0]
    if length > MAX_HEADER_BYTES:
        raise ConvertError(
            f"{shard}: not a safetensors file (its header would be {length:,} bytes).", _GET_AGAIN, exit_code=2
        )
    if 8 + length > file_bytes:
        raise ConvertError(f"{shard}: truncated inside its header.", _GET_AGAIN, exit_code=2)
    return length


def parse_header(data: bytes, file_bytes: int, shard: str) -> dict[str, SourceTensor]:
    """The tensors of one shard. `data` is the JSON header, `file_bytes` the size of the whole file.

    Raises ConvertError for anything the format forbids, truncation included.
    """
    header = parse_json(data, shard)
    base = 8 + len(data)
    tensors = {name: _tensor(name, entry, shard, base) for name, entry in header.items() if name != "__metadata__"}
    position = base
    for tensor in sorted(tensors.values(), key=lambda t: (t.offset, t.size_bytes)):
        if tensor.offset != position:
            raise ConvertError(
                f"{shard}: {tensor.name} overlaps another tensor or leaves a gap.", _GET_AGAIN, exit_code=2
            )
        position += tensor.size_bytes
    if position > file_bytes:
        raise ConvertError(
            f"{shard}: truncated: {file_bytes:,} of {position:,} bytes are there.", _GET_AGAIN, exit_code=2
        )
    if position < file_bytes:
        raise ConvertError(f"{shard}: {file_bytes - position:,} bytes follow the last tensor.", _GET_AGAIN, exit_code=2)
    return tensors


def _tensor(name: str, entry: Any, shard: str, base: int) -> SourceTensor:
    where = f"{shard}: tensor {name[:80]!r}"
    if not isinstance(entry, dict):
        raise ConvertError(f"{where} has no description.", _GET_AGAIN, exit_code=2)
    dtype, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise ConvertError(f"{where} has an unknown dtype, {str(dtype)[:40]!r}.", exit_code=2)
    if not isinstance(shape, list) or len(shape) > 8 or not all(_is_count(n) for n in shape):
        raise ConvertError(f"{where} has an impossible shape.", _GET_AGAIN, exit_code=2)
    if not isinstance(span, list) or len(span) != 2 or not all(_is_count(n) for n in span) or span[0] > span[1]:
        raise ConvertError(f"{where} has impossible offsets.", _GET_AGAIN, exit_code=2)
    if math.prod(shape) * ITEM_BYTES[dtype] != span[1] - span[0]:
        raise ConvertError(f"{where}: shape {shape} of {dtype} does not fill its span.", _GET_AGAIN, exit_code=2)
    return SourceTensor(name, dtype, tuple(shape), shard, base + span[0], span[1] - span[0])


def _is_count(value: Any) -> bool:
    # 2**50: chosen. A petabyte is more than any file has.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**50


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object from a file, refused when it is missing, too large, or not an object."""
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConvertError(f"{path} is not a regular file.", exit_code=2)
            data = file.read(MAX_HEADER_BYTES + 1)
    except FileNotFoundError:
        raise ConvertError(
            f"{path.parent}: {path.name} is missing.",
            "Give a checkpoint folder as Hugging Face has it, with all its files.",
            exit_code=2,
        ) from None
    except OSError as error:
        raise ConvertError(f"{path}: {error.strerror or error}.", exit_code=2) from None
    return parse_json(data, path.name)


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object without duplicate keys, from bytes that may be anything."""
    if len(data) > MAX_HEADER_BYTES or sum(data.count(c) for c in b"[{,") > MAX_JSON_NODES:
        raise ConvertError(f"{where}: too much JSON for what it should be.", _GET_AGAIN, exit_code=2)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except _DuplicateKeyError as error:
        raise ConvertError(f"{where}: {str(error)[:80]!r} is there twice.", _GET_AGAIN, exit_code=2) from None
    except (ValueError, RecursionError):
        raise ConvertError(f"{where}: not valid JSON.", _GET_AGAIN, exit_code=2) from None
    if not isinstance(value, dict):
        raise ConvertError(f"{where}: not a JSON object.", _GET_AGAIN, exit_code=2)
    return value


class _DuplicateKeyError(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def _weight_map(directory: Path) -> dict[str, str]:
    if (directory / SINGLE_NAME).exists():
        return {}
    if not (directory / INDEX_NAME).exists():
        if any(directory.glob("pytorch_model*.bin")):
            raise ConvertError(
                f"{directory} holds PyTorch pickles, not safetensors.",
                "Get the safetensors files of this checkpoint; pickles can run any code.",
                exit_code=2,
            )
        raise ConvertError(
            f"{directory}: neither {SINGLE_NAME} nor {INDEX_NAME} is there.",
            "Give a checkpoint folder as Hugging Face has it, with all its files.",
            exit_code=2,
        )
    return parse_index((directory / INDEX_NAME).read_bytes()[: MAX_HEADER_BYTES + 1], INDEX_NAME)


def _cached_repository(directory: Path) -> str:
    """OWNER/NAME of a folder in huggingface_hub's cache, whose own name is a commit; empty for any other folder."""
    snapshots = directory.resolve().parent
    if snapshots.name != "snapshots" or not snapshots.parent.name.startswith("models--"):
        return ""
    return snapshots.parent.name.removeprefix("models--").replace("--", "/")


def _source_url(directory: Path, config: Mapping[str, Any], repository: str) -> str:
    """Where the checkpoint says it comes from: its hub page at the revision that huggingface_hub noted beside it."""
    if repository:
        return f"https://huggingface.co/{repository}/tree/{directory.resolve().name}"
    note = directory / ".cache" / "huggingface" / "download" / "config.json.metadata"
    revision = str(config.get("_commit_hash") or "")
    if note.is_file():
        revision = note.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0].strip()
    origin = str(config.get("_name_or_path") or "")
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", origin) and re.fullmatch(r"[0-9a-f]{40}", revision):
        return f"https://huggingface.co/{origin}/tree/{revision}"
    return ""


_GET_AGAIN = "Download the checkpoint again, or ask where it came from."
