"""A StarCoder2 checkpoint of a few hundred kilobytes, so that these tests run anywhere."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def tensors(shape: MiniShape, vocab: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    kv = shape.hidden // shape.heads * shape.kv_heads
    found: dict[str, np.ndarray] = {}

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


def encode(values: np.ndarray, dtype: str) -> bytes:
    if dtype == "F32":
        return values.astype("<f4").tobytes()
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    return (values.astype("<f4").view(np.uint32) >> 16).astype("<u2").tobytes()


def write_safetensors(path: Path, arrays: dict[str, np.ndarray], dtype: str = "F32") -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    blobs, offset = [], 0
    for name, values in arrays.items():
        blobs.append(encode(values, dtype))
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    write_raw(path, json.dumps(header).encode(), b"".join(blobs))


def write_raw(path: Path, header: bytes, data: bytes) -> None:
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
    edit: Callable[[dict[str, np.ndarray]], None] | None = None,
) -> Path:
    """A whole checkpoint; `edit` may change the tensors before they are written."""
    shape = shape or MiniShape()
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_json()
    vocab = len(tokenizer["model"]["vocab"])
    found = tensors(shape, vocab, seed)
    if edit:
        edit(found)
    if shards == 1:
        write_safetensors(directory / "model.safetensors", found, dtype)
    else:
        names = list(found)
        weight_map = {}
        for k in range(shards):
            file = f"model-{k + 1:05d}-of-{shards:05d}.safetensors"
            part = {n: found[n] for n in names[k * len(names) // shards : (k + 1) * len(names) // shards]}
            write_safetensors(directory / file, part, dtype)
            weight_map |= dict.fromkeys(part, file)
        (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    end = SPECIAL[0]
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "GPT2Tokenizer", "bos_token": end, "eos_token": end, "unk_token": end})
    )
    (directory / "config.json").write_text(json.dumps({
        "architectures": ["Starcoder2ForCausalLM"], "model_type": "starcoder2", "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": shape.hidden, "intermediate_size": shape.ffn, "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers, "num_key_value_heads": shape.kv_heads, "max_position_embeddings": 1024,
        "norm_epsilon": 1e-5, "rope_theta": 10000.0, "sliding_window": 128, "use_bias": True, "vocab_size": vocab,
        "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": shape.tied,
    }))  # fmt: skip
    return directory


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tied checkpoint in F32, not to be changed."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "mini")


@pytest.fixture(scope="session")
def make_tiny(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoints that the golden files were made from, by name ("tiny", "tiny-untied"), each made once."""
    folder = tmp_path_factory.mktemp("golden")

    def make(name: str) -> Path:
        if not (folder / name).exists():
            subprocess.run([sys.executable, shared / "make_checkpoint.py", name, folder / name], check=True)
        return folder / name

    return make


@pytest.fixture
def make_checkpoint() -> Callable[..., Path]:
    return write_checkpoint


@pytest.fixture
def make_safetensors() -> Callable[[Path, bytes, bytes], None]:
    """Writes a safetensors file from header bytes and data bytes, right or wrong."""
    return write_raw


@pytest.fixture
def mini_shape() -> type[MiniShape]:
    return MiniShape
