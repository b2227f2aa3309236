"""StarCoder2 checkpoints made here, with random weights: some of a few hundred kilobytes, and the golden files' own."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]

SPECIAL = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>"]
MERGES = ["Ġ Ġ", "ĠĠ ĠĠ", "i n", "r e", "re t", "e r", "Ġ =", "d e", "de f"]


def byte_alphabet() -> list[str]:
    """GPT-2's characters for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


@dataclass(frozen=True)
class MiniShape:
    layers: int = 2
    hidden: int = 256
    ffn: int = 512
    heads: int = 4
    kv_heads: int = 2
    tied: bool = True
    context: int = 1024
    window: int = 128
    rope_theta: float = 10000.0


GOLDEN = {
    "tiny": MiniShape(4, 256, 1024, 4, 2, True, 16384, 64, 999999.4420358813),
    "tiny-untied": MiniShape(4, 256, 1024, 4, 2, False, 16384, 64, 100000.0),
}
"""The checkpoints that the files in golden/ were made from."""

GOLDEN_VOCABULARY = 49152


def tensors(shape: MiniShape, vocab: int, seed: int) -> dict[str, Values]:
    rng = np.random.default_rng(seed)
    kv = shape.hidden // shape.heads * shape.kv_heads
    found: dict[str, Values] = {}

    def add(name: str, *dims: int) -> None:
        found[name] = (0.05 * rng.standard_normal(dims)).astype(np.float32)

    add("model.embed_tokens.weight", vocab, shape.hidden)
    for i in range(shape.layers):
        for module, dims in {
            "self_attn.q_proj": (shape.hidden, shape.hidden),
            "self_attn.k_proj": (kv, shape.hidden),
            "self_attn.v_proj": (kv, shape.hidden),
            "self_attn.o_proj": (shape.hidden, shape.hidden),
            "mlp.c_fc": (shape.ffn, shape.hidden),
            "mlp.c_proj": (shape.hidden, shape.ffn),
            "input_layernorm": (shape.hidden,),
            "post_attention_layernorm": (shape.hidden,),
        }.items():
            add(f"model.layers.{i}.{module}.weight", *dims)
            add(f"model.layers.{i}.{module}.bias", dims[0])
    add("model.norm.weight", shape.hidden)
    add("model.norm.bias", shape.hidden)
    if not shape.tied:
        add("lm_head.weight", vocab, shape.hidden)
    return found


def encode(values: Values, dtype: str) -> bytes:
    if dtype == "F32":
        return values.astype("<f4").tobytes()
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    return (values.astype("<f4").view(np.uint32) >> 16).astype("<u2").tobytes()


def write_safetensors(path: Path, arrays: dict[str, Values], dtype: str = "F32") -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    blobs, offset = [], 0
    for name, values in arrays.items():
        blobs.append(encode(values, dtype))
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    write_raw(path, json.dumps(header).encode(), b"".join(blobs))


def write_raw(path: Path, header: bytes, data: bytes) -> None:
    """A safetensors file of these bytes, right or wrong."""
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def tokenizer_json() -> dict[str, Any]:
    merged = ["".join(merge.split(" ")) for merge in MERGES]
    tokens = [*SPECIAL, *byte_alphabet(), *merged]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": t, "special": True, "normalized": False, "single_word": False, "lstrip": False,
             "rstrip": False} for i, t in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {t: i for i, t in enumerate(tokens)}, "merges": MERGES},
    }  # fmt: skip


def write_checkpoint(
    directory: Path,
    shape: MiniShape | None = None,
    dtype: str = "F32",
    shards: int = 1,
    seed: int = 0,
    edit: Callable[[dict[str, Values]], None] | None = None,
) -> Path:
    """A whole checkpoint; `edit` may change the tensors before they are written."""
    shape = shape or MiniShape()
    directory.mkdir(parents=True, exist_ok=True)
    vocab = len(tokenizer_json()["model"]["vocab"])
    write_json_files(directory, shape, vocab)
    found = tensors(shape, vocab, seed)
    if edit:
        edit(found)
    if shards == 1:
        write_safetensors(directory / "model.safetensors", found, dtype)
    else:
        names = list(found)
        weight_map: dict[str, str] = {}
        for k in range(shards):
            file = f"model-{k + 1:05d}-of-{shards:05d}.safetensors"
            part = {n: found[n] for n in names[k * len(names) // shards : (k + 1) * len(names) // shards]}
            write_safetensors(directory / file, part, dtype)
            weight_map |= dict.fromkeys(part, file)
        (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return directory


def write_golden_checkpoint(directory: Path, name: str) -> Path:
    """One of `GOLDEN` in BF16, with this module's vocabulary in place of the published one."""
    directory.mkdir(parents=True)
    write_json_files(directory, GOLDEN[name], GOLDEN_VOCABULARY)
    write_safetensors(directory / "model.safetensors", golden_tensors(GOLDEN[name]), "BF16")
    return directory


def golden_tensors(shape: MiniShape) -> dict[str, Values]:
    """The golden weights. The order of tensors and of draws decides their values, so neither may change."""
    rng = np.random.default_rng(0)
    pool = np.empty(1 << 26, np.float32)
    for part in pool.reshape(64, -1):
        part[:] = rng.standard_normal(part.size)
    kv = shape.hidden // shape.heads * shape.kv_heads
    found: dict[str, Values] = {}

    def matrix(name: str, rows: int, columns: int) -> None:
        start = int(rng.integers(0, pool.size - rows * columns + 1))
        found[name] = pool[start : start + rows * columns].reshape(rows, columns) * np.float32(0.06)

    def vector(name: str, size: int) -> None:
        draw = rng.standard_normal(size).astype(np.float32)
        is_scale = "norm" in name and name.endswith("weight")
        found[name] = np.ones(size, np.float32) + 0.1 * draw if is_scale else 0.02 * draw

    def linear(name: str, rows: int, columns: int) -> None:
        matrix(f"{name}.weight", rows, columns)
        vector(f"{name}.bias", rows)

    def norm(name: str) -> None:
        vector(f"{name}.weight", shape.hidden)
        vector(f"{name}.bias", shape.hidden)

    matrix("model.embed_tokens.weight", GOLDEN_VOCABULARY, shape.hidden)
    for i in range(shape.layers):
        norm(f"model.layers.{i}.input_layernorm")
        linear(f"model.layers.{i}.mlp.c_fc", shape.ffn, shape.hidden)
        linear(f"model.layers.{i}.mlp.c_proj", shape.hidden, shape.ffn)
        norm(f"model.layers.{i}.post_attention_layernorm")
        linear(f"model.layers.{i}.self_attn.q_proj", shape.hidden, shape.hidden)
        linear(f"model.layers.{i}.self_attn.k_proj", kv, shape.hidden)
        linear(f"model.layers.{i}.self_attn.v_proj", kv, shape.hidden)
        linear(f"model.layers.{i}.self_attn.o_proj", shape.hidden, shape.hidden)
    norm("model.norm")
    if not shape.tied:
        matrix("lm_head.weight", GOLDEN_VOCABULARY, shape.hidden)
    return found


def write_json_files(directory: Path, shape: MiniShape, vocab: int) -> None:
    """Tokenizer and config; `vocab` is the number of embeddings."""
    end = SPECIAL[0]
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "GPT2Tokenizer", "bos_token": end, "eos_token": end, "unk_token": end})
    )
    (directory / "config.json").write_text(json.dumps({
        "architectures": ["Starcoder2ForCausalLM"], "model_type": "starcoder2", "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": shape.hidden, "intermediate_size": shape.ffn, "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers, "num_key_value_heads": shape.kv_heads, "use_bias": True,
        "max_position_embeddings": shape.context, "sliding_window": shape.window, "rope_theta": shape.rope_theta,
        "norm_epsilon": 1e-5, "vocab_size": vocab, "tie_word_embeddings": shape.tied,
        "bos_token_id": 0, "eos_token_id": 0,
    }))  # fmt: skip
