"""An adapter in GGUF changes a model as the merged weights would; what cannot be carried is refused by name."""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest

from converters.errors import ConvertError
from converters.gguf_file import read_gguf
from converters.lora import convert_adapter, read_adapter
from tests.converters.checkpoints import Values, write_checkpoint, write_safetensors
from tests.converters.driving import convert, finish

DIMS = {"self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256), "self_attn.v_proj": (128, 256),
        "self_attn.o_proj": (256, 256), "mlp.c_fc": (512, 256), "mlp.c_proj": (256, 512)}  # fmt: skip

Adapter = tuple[Path, dict[str, Values]]


@pytest.fixture
def make_adapter(tmp_path: Path) -> Callable[..., Adapter]:
    """Writes an adapter of the given config; returns its folder and the change of each weight that PEFT would make."""

    def make(extra: dict[str, Values] | None = None, **config: Any) -> Adapter:
        folder = tmp_path / "adapter"
        folder.mkdir(exist_ok=True)
        full: dict[str, Any] = {
            "peft_type": "LORA",
            "r": 4,
            "lora_alpha": 16,
            "bias": "none",
            "base_model_name_or_path": "bigcode/x",
        }
        full |= config
        rng = np.random.default_rng(1)
        arrays: dict[str, Values] = {}
        changes: dict[str, Values] = {}
        for layer in range(2):
            for module, (rows, columns) in DIMS.items():
                path = f"model.layers.{layer}.{module}"
                rank = next((r for k, r in full.get("rank_pattern", {}).items() if path.endswith(k)), full["r"])
                alpha = next(
                    (a for k, a in full.get("alpha_pattern", {}).items() if path.endswith(k)), full["lora_alpha"]
                )
                a = (0.1 * rng.standard_normal((rank, columns))).astype(np.float32)
                b = (0.1 * rng.standard_normal((rows, rank))).astype(np.float32)
                arrays[f"base_model.model.{path}.lora_A.weight"] = a
                arrays[f"base_model.model.{path}.lora_B.weight"] = b
                changes[f"{path}.weight"] = b @ a * (alpha / (math.sqrt(rank) if full.get("use_rslora") else rank))
        arrays |= extra or {}
        write_safetensors(folder / "adapter_model.safetensors", arrays)
        (folder / "adapter_config.json").write_text(json.dumps(full))
        return folder, changes

    return make


def logits(model_path: Path, adapter: Path | None = None) -> Values:
    silent = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p())
    model = llama_cpp.llama_model_load_from_file(str(model_path).encode(), llama_cpp.llama_model_default_params())
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = 32
    parameters.flash_attn_type = 0
    context = llama_cpp.llama_init_from_model(model, parameters)
    if adapter:
        loaded = llama_cpp.llama_adapter_lora_init(model, str(adapter).encode())
        assert loaded
        one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
        assert llama_cpp.llama_set_adapters_lora(context, one, 1, (ctypes.c_float * 1)(1.0)) == 0
    ids = (ctypes.c_int32 * 8)(*range(20, 28))
    assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, 8)) == 0
    size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    found: Values = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (size,)).copy()
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return found


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"mlp.c_fc": 8, "layers.1.self_attn.q_proj": 2}, "alpha_pattern": {"v_proj": 3}},
        {"use_rslora": True, "rank_pattern": {"k_proj": 9}, "alpha_pattern": {"mlp.c_proj": 0.5}},
    ],
    ids=["plain", "rslora", "patterns", "both"],
)
def test_it_does_what_merging_does(
    config: dict[str, object], make_adapter: Callable[..., Adapter], tmp_path: Path
) -> None:
    folder, changes = make_adapter(**config)

    def merge(tensors: dict[str, Values]) -> None:
        for name, change in changes.items():
            tensors[name] = tensors[name] + change.astype(np.float32)

    base = convert(write_checkpoint(tmp_path / "base"), tmp_path, "F32").files[0].path
    merged = convert(write_checkpoint(tmp_path / "merged", edit=merge), tmp_path, "F32").files[0].path
    out = tmp_path / "adapter.gguf"
    finish(convert_adapter(read_adapter(folder), out))
    plain, adapted, wanted = logits(base), logits(base, out), logits(merged)
    assert np.abs(wanted - plain).max() > 0.1
    np.testing.assert_allclose(adapted, wanted, atol=2e-3 * np.abs(wanted).max())
    keys = read_gguf(out).keys
    assert keys["general.type"].value == "adapter"
    assert keys["adapter.type"].value == "lora"
    assert keys["adapter.lora.alpha"].value == 16.0
    assert len(read_gguf(out).tensors) == 2 * 12


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "lm_head"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"r": "x", "rank_pattern": {"proj": 4, "c_fc": 4}}, "r is"),
        ({"alpha_pattern": {"(": 1}}, "malformed"),
    ],
)
def test_what_cannot_be_carried(config: dict[str, object], says: str, make_adapter: Callable[..., Adapter]) -> None:
    with pytest.raises(ConvertError, match=says) as caught:
        read_adapter(make_adapter(**config)[0])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "name",
    ["base_model.model.lm_head.lora_A.weight", "base_model.model.model.embed_tokens.lora_embedding_A",
     "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
     "base_model.model.model.layers.0.input_layernorm.weight"],
)  # fmt: skip
def test_modules_are_refused_by_name(name: str, make_adapter: Callable[..., Adapter]) -> None:
    with pytest.raises(ConvertError, match=name):
        read_adapter(make_adapter(extra={name: np.zeros((4, 256), np.float32)})[0])


def test_a_rank_that_the_weights_have_not(make_adapter: Callable[..., Adapter]) -> None:
    folder, _ = make_adapter()
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "r": 5}))
    with pytest.raises(ConvertError, match="rank 5"):
        read_adapter(folder)
