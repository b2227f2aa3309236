"""A PEFT LoRA adapter → a GGUF adapter for llama.cpp.

llama.cpp reads `TENSOR.lora_a` [rank × in] and `TENSOR.lora_b` [out × rank] and scales their product by
`adapter.lora.alpha` / rank (llama-adapter.h). PEFT scales by alpha / rank too, or by alpha / √rank (rsLoRA), with alpha
and rank that may differ by module (`rank_pattern`, `alpha_pattern`): what differs from llama.cpp's scale is multiplied
into B. What that cannot express (DoRA, biases, whole modules, embeddings) is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter

from converters import ggml
from converters.checkpoint import SourceTensor, read_header, read_json_file
from converters.convert import Written
from converters.errors import ConvertError
from converters.gguf_header import header_bytes
from converters.output import PendingFile, make_directory, require_space
from converters.plan import tensor_bytes
from converters.progress import Progress
from converters.rows import Reader, read_rows
from converters.starcoder2 import ARCHITECTURE, gguf_name, tensor_order

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
TYPES = ("F32", "F16", "BF16")
_FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}


@dataclass(frozen=True)
class Pair:
    """One adapted matrix, by GGUF name: A [rank × in], B [out × rank], and what B is multiplied by."""

    name: str
    a: SourceTensor
    b: SourceTensor
    factor: float


@dataclass(frozen=True)
class Adapter:
    """An adapter understood. `alpha` is what is written; `base` is the model that it says it is for."""

    directory: Path
    name: str
    alpha: float
    base: str
    pairs: tuple[Pair, ...]


def is_adapter(directory: Path) -> bool:
    """Whether a folder holds a PEFT adapter."""
    return (directory / CONFIG_NAME).is_file()


def read_adapter(directory: Path) -> Adapter:
    """Read and check an adapter. ConvertError (exit code 2) names what cannot be carried."""
    config = read_json_file(directory / CONFIG_NAME)
    _refuse_unsupported(config)
    if not (directory / WEIGHTS_NAME).is_file():
        raise ConvertError(f"{directory}: {WEIGHTS_NAME} is missing.", "Save the adapter as safetensors.", exit_code=2)
    tensors = read_header(directory / WEIGHTS_NAME)
    halves: dict[str, dict[str, SourceTensor]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])(?:\.[^.]+)?\.weight", name)
        target = gguf_name(f"{match[1]}.weight") if match else None
        if match is None or target is None or not target.startswith("blk.") or "_norm" in target:
            raise ConvertError(
                f"The adapter changes {name[:90]}, which cannot be carried over.",
                "Train it on attention and MLP projections only, or merge it.",
                exit_code=2,
            )
        if tensor.dtype not in TYPES or len(tensor.shape) != 2:
            raise ConvertError(f"{name[:90]} is not a matrix of F32, F16 or BF16.", exit_code=2)
        halves.setdefault(match[1], {})[match[2]] = tensor
    if not halves:
        raise ConvertError(f"{directory}: the adapter is empty.", exit_code=2)
    alpha = _number(config, "lora_alpha") or 1.0
    pairs = [_pair(config, module, pair, alpha) for module, pair in halves.items()]
    base = config.get("base_model_name_or_path")
    return Adapter(
        directory,
        directory.resolve().name,
        alpha,
        base if isinstance(base, str) else "",
        tuple(sorted(pairs, key=lambda pair: tensor_order(pair.name))),
    )


def convert_adapter(
    adapter: Adapter, out: Path, type_name: str = "F32"
) -> Generator[Progress, None, tuple[Written, ...]]:
    """Write the adapter to `out`, a .gguf path. Yields progress; stopping leaves no file."""
    if type_name not in TYPES:
        raise ConvertError(f"An adapter is {', '.join(TYPES)}, not {type_name[:40]}.", "Leave -t out.", exit_code=2)
    weights = adapter.directory / WEIGHTS_NAME
    if out.is_dir() or (out.exists() and out.samefile(weights)):
        raise ConvertError(f"{out} cannot be the output.", "Give another path.", exit_code=2)
    parts = [
        (f"{p.name}.lora_{half}", source, factor)
        for p in adapter.pairs
        for half, source, factor in (("a", p.a, 1.0), ("b", p.b, p.factor))
    ]
    sizes = [tensor_bytes(type_name, source.shape) for _, source, _ in parts]
    header = _header(adapter, type_name, [(name, source.shape) for name, source, _ in parts], sizes)
    total = len(header) + sum(-(-size // 32) * 32 for size in sizes)
    make_directory(out.parent)
    require_space([(out, total)])
    pending = PendingFile(out, total)
    try:
        pending.write_at(0, header)
        offset = len(header)
        with Reader(weights) as reader:
            for (_, source, factor), size in zip(parts, sizes, strict=True):
                values = read_rows(reader, source, 0, source.shape[0]) * np.float32(factor)
                pending.write_at(offset, _encode(source.name, type_name, values).data)
                pending.mark_final(offset + size, offset + -(-size // 32) * 32)
                offset += -(-size // 32) * 32
                yield Progress("convert", offset, total, 0.0)
        digest = pending.commit()
    finally:
        pending.discard()
    return (Written(out, f"LoRA {type_name}", total, digest),)


def _refuse_unsupported(config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise ConvertError(f"This is a {str(config.get('peft_type'))[:40]} adapter, not LoRA.", exit_code=2)
    for key, what in {
        "use_dora": "DoRA",
        "lora_bias": "a bias of LoRA itself",
        "fan_in_fan_out": "transposed weights",
        "modules_to_save": "whole modules (modules_to_save)",
        "layer_replication": "replicated layers",
        "use_qalora": "QA-LoRA",
        "trainable_token_indices": "trained tokens",
        "target_parameters": "bare parameters",
        "alora_invocation_tokens": "activated LoRA",
    }.items():
        if config.get(key):
            detail = config[key] if isinstance(config[key], list) else ""
            raise ConvertError(
                f"The adapter has {what}{f': {detail!s:.60}' if detail else ''}, which llama.cpp cannot run.",
                "Merge the adapter into its model and convert that.",
                exit_code=2,
            )
    if config.get("bias", "none") != "none":
        raise ConvertError(
            "The adapter has trained biases, which llama.cpp cannot run.",
            "Merge the adapter into its model and convert that.",
            exit_code=2,
        )


def _pair(config: Mapping[str, Any], module: str, pair: Mapping[str, SourceTensor], alpha: float) -> Pair:
    if len(pair) != 2:
        raise ConvertError(f"{module} has only one of lora_A and lora_B.", "Save the adapter again.", exit_code=2)
    a, b = pair["A"], pair["B"]
    rank = int(_pattern(config, "rank_pattern", module, _number(config, "r")))
    if not rank or a.shape[0] != rank or b.shape[1] != rank:
        raise ConvertError(
            f"{module}: rank {rank} in {CONFIG_NAME}, {list(a.shape)} and {list(b.shape)} in the weights.",
            "Get the adapter's own configuration.",
            exit_code=2,
        )
    mine = _pattern(config, "alpha_pattern", module, _number(config, "lora_alpha"))
    scale = mine / math.sqrt(rank) if config.get("use_rslora") else mine / rank
    return Pair(str(gguf_name(f"{module}.weight")), a, b, scale * rank / alpha)


def _pattern(config: Mapping[str, Any], key: str, module: str, default: float) -> float:
    """The value of the first pattern that matches the end of a module's name, as peft's get_pattern_key finds it."""
    patterns = config.get(key) or {}
    if not isinstance(patterns, dict):
        raise ConvertError(f"{CONFIG_NAME}: {key} is malformed.", exit_code=2)
    for pattern, value in patterns.items():
        try:
            # 500: chosen. A real pattern is a module's path; a longer one could keep the expression busy for ever.
            if len(pattern) <= 500 and re.match(rf"(.*\.)?({pattern})$", module):
                return _number({key: value}, key)
        except re.error:
            raise ConvertError(f"{CONFIG_NAME}: {key} is malformed.", exit_code=2) from None
    return default


def _number(config: Mapping[str, Any], key: str) -> float:
    value = config.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise ConvertError(f"{CONFIG_NAME}: {key} is {str(value)[:40]!r}.", exit_code=2)
    return float(value)


def _header(adapter: Adapter, type_name: str, tensors: list[tuple[str, tuple[int, ...]]], sizes: list[int]) -> bytes:
    writer = GGUFWriter(None, ARCHITECTURE)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_name(adapter.name)
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", adapter.base):
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, adapter.base.split("/")[1])
        writer.add_base_model_organization(0, adapter.base.split("/")[0])
        writer.add_base_model_repo_url(0, f"https://huggingface.co/{adapter.base}")
    writer.add_file_type(_FILE_TYPES[type_name])
    writer.add_float32("adapter.lora.alpha", adapter.alpha)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for (name, shape), size in zip(tensors, sizes, strict=True):
        writer.add_tensor_info(name, shape, np.dtype(np.float32), size, GGMLQuantizationType[type_name])
    return header_bytes(writer)


def _encode(name: str, type_name: str, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    if type_name == "F16" and np.abs(values).max(initial=0.0) > 65504.0:
        raise ConvertError(f"{name} has values that F16 cannot hold.", "Leave -t out.")
    out = np.empty(values.shape[0] * ggml.row_bytes(type_name, values.shape[1]), np.uint8)
    if type_name == "F32":
        return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    ggml.quantize(type_name, np.ascontiguousarray(values), out)
    return out
