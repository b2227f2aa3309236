"""StarCoder2's architecture: what its config must say, its tensors' names and shapes, and its GGUF keys.

Names and keys are those of llama.cpp's converter (gguf-py's tensor map for STARCODER2), to which
`starcoder2.attention.sliding_window` is added: every layer of StarCoder2 has a window, and llama.cpp writes none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gguf import GGUFWriter

from converters.checkpoint import Checkpoint, SourceTensor
from converters.errors import ConvertError

ARCHITECTURE = "starcoder2"

# Limits of what a config may say are chosen: at least twenty times the 15B's values.
# They keep a malformed config from asking for endless lists.
_MAX_LAYERS, _MAX_HEADS = 1000, 1024
_MAX_HIDDEN, _MAX_FFN, _MAX_VOCABULARY = 2**20, 2**22, 2**24
_MAX_TOKENS = 2**30

_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
"""Module of a layer in transformers → in GGUF."""


@dataclass(frozen=True)
class Hyperparameters:
    """What the config says, checked. Sizes are in values; `sliding_window` and `context` in tokens."""

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    context: int
    vocab: int
    rope_base: float
    norm_epsilon: float
    sliding_window: int | None
    tied: bool
    bias: bool

    @property
    def kv_dim(self) -> int:
        """Rows of a layer's key matrix, and of its value matrix."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def gqa(self) -> int:
        """Query heads that share one key-value head (grouped-query attention)."""
        return self.heads // self.kv_heads


def read_hyperparameters(config: Mapping[str, Any]) -> Hyperparameters:
    """Check a config.json and take from it what GGUF needs. ConvertError (exit code 2) if it is not StarCoder2's."""
    if config.get("model_type") != "starcoder2":
        architecture = config.get("architectures") or config.get("model_type") or "unknown"
        label = architecture[0] if isinstance(architecture, list) else architecture
        raise ConvertError(
            f"This is a {str(label)[:60]} checkpoint, not StarCoder2.",
            "Only StarCoder2 is converted here; llama.cpp's converter knows the others.",
            exit_code=2,
        )
    if config.get("quantization_config"):
        raise ConvertError("The checkpoint is quantized already.", "Convert the original checkpoint.", exit_code=2)
    heads = _count(config, "num_attention_heads", _MAX_HEADS)
    hyperparameters = Hyperparameters(
        layers=_count(config, "num_hidden_layers", _MAX_LAYERS),
        hidden=_count(config, "hidden_size", _MAX_HIDDEN),
        ffn=_count(config, "intermediate_size", _MAX_FFN),
        heads=heads,
        kv_heads=_count(config, "num_key_value_heads", _MAX_HEADS, heads),
        context=_count(config, "max_position_embeddings", _MAX_TOKENS),
        vocab=_count(config, "vocab_size", _MAX_VOCABULARY),
        rope_base=_rope_base(config),
        norm_epsilon=_positive(config, "norm_epsilon", 1e-5),
        sliding_window=_window(config),
        tied=config.get("tie_word_embeddings", True) is not False,
        bias=config.get("use_bias", True) is not False,
    )
    if hyperparameters.hidden % hyperparameters.heads or hyperparameters.heads % hyperparameters.kv_heads:
        raise ConvertError("config.json: heads do not divide the width, or key-value heads the heads.", exit_code=2)
    if config.get("head_dim") not in (None, hyperparameters.hidden // hyperparameters.heads):
        raise ConvertError("config.json: a head_dim that llama.cpp's StarCoder2 does not have.", exit_code=2)
    activation = config.get("hidden_act", "gelu_pytorch_tanh")
    if activation not in ("gelu_pytorch_tanh", "gelu_new", "gelu_fast"):
        raise ConvertError(f"config.json: activation {str(activation)[:40]!r} is not StarCoder2's.", exit_code=2)
    if config.get("mlp_type", "default") != "default" or config.get("norm_type", "layer_norm") != "layer_norm":
        raise ConvertError("config.json: an MLP or norm that llama.cpp's StarCoder2 does not have.", exit_code=2)
    return hyperparameters


def gguf_name(name: str) -> str | None:
    """transformers' tensor name → GGUF's, or None if StarCoder2 has no such tensor."""
    fixed = {
        "model.embed_tokens.weight": "token_embd.weight",
        "lm_head.weight": "output.weight",
        "model.norm.weight": "output_norm.weight",
        "model.norm.bias": "output_norm.bias",
    }
    if name in fixed:
        return fixed[name]
    parts = name.split(".", 3)
    if len(parts) != 4 or parts[:2] != ["model", "layers"] or not (parts[2].isascii() and parts[2].isdecimal()):
        return None
    module, _, kind = parts[3].rpartition(".")
    if module not in _LAYER or kind not in ("weight", "bias") or str(int(parts[2])) != parts[2]:
        return None
    return f"blk.{parts[2]}.{_LAYER[module]}.{kind}"


def expected_tensors(hyperparameters: Hyperparameters) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor that a checkpoint with these hyperparameters must have: transformers' name and PyTorch's shape."""
    hidden, kv = hyperparameters.hidden, hyperparameters.kv_dim
    matrices = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.c_fc": (hyperparameters.ffn, hidden),
        "mlp.c_proj": (hidden, hyperparameters.ffn),
    }
    yield "model.embed_tokens.weight", (hyperparameters.vocab, hidden)
    for layer in range(hyperparameters.layers):
        for module in ("input_layernorm", "post_attention_layernorm"):
            yield f"model.layers.{layer}.{module}.weight", (hidden,)
            yield f"model.layers.{layer}.{module}.bias", (hidden,)
        for module, dims in matrices.items():
            yield f"model.layers.{layer}.{module}.weight", dims
            if hyperparameters.bias:
                yield f"model.layers.{layer}.{module}.bias", dims[:1]
    yield "model.norm.weight", (hidden,)
    yield "model.norm.bias", (hidden,)
    if not hyperparameters.tied:
        yield "lm_head.weight", (hyperparameters.vocab, hidden)


def map_tensors(checkpoint: Checkpoint, hyperparameters: Hyperparameters) -> dict[str, SourceTensor]:
    """GGUF name → source tensor, complete and in llama-quantize's order: no layer first, then by layer, then by name.

    An output matrix beside `tie_word_embeddings: true` is left out, as transformers ignores it; one beside a config
    that says nothing is kept. Missing, foreign and misshapen tensors are refused by name.
    """
    expected = dict(expected_tensors(hyperparameters))
    if "lm_head.weight" in checkpoint.tensors and "tie_word_embeddings" not in checkpoint.config:
        expected["lm_head.weight"] = (hyperparameters.vocab, hyperparameters.hidden)
    if missing := [name for name in expected if name not in checkpoint.tensors]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ConvertError(
            f"Tensor {missing[0]}{more} is missing.",
            "A shard may be missing: download the checkpoint again.",
            exit_code=2,
        )
    for name, dims in expected.items():
        source = checkpoint.tensors[name]
        if source.shape != dims:
            raise ConvertError(f"{name} is {list(source.shape)}, but config.json makes it {list(dims)}.", exit_code=2)
        if source.dtype not in ("F32", "F16", "BF16"):
            raise ConvertError(
                f"{name} is {source.dtype}; F32, F16 or BF16 is needed.",
                "Convert the original checkpoint.",
                exit_code=2,
            )
    ignored = {"lm_head.weight"}
    foreign = [n for n in checkpoint.tensors if n not in expected and n not in ignored and "rotary_emb" not in n]
    if foreign:
        raise ConvertError(
            f"StarCoder2 has no tensor {foreign[0][:80]!r}.",
            "Merge an adapter into the model first, or convert the adapter's own folder.",
            exit_code=2,
        )
    named = {str(gguf_name(name)): checkpoint.tensors[name] for name in expected}
    return dict(sorted(named.items(), key=lambda item: tensor_order(item[0])))


def tensor_order(name: str) -> tuple[int, str]:
    """Sort key of llama-quantize's files: tensors of no layer, then layer by layer, by name within."""
    parts = name.split(".")
    return (int(parts[1]) if parts[0] == "blk" else -1, name)


def add_keys(writer: GGUFWriter, hyperparameters: Hyperparameters) -> None:
    """Write the architecture's keys."""
    writer.add_block_count(hyperparameters.layers)
    writer.add_context_length(hyperparameters.context)
    writer.add_embedding_length(hyperparameters.hidden)
    writer.add_feed_forward_length(hyperparameters.ffn)
    writer.add_head_count(hyperparameters.heads)
    writer.add_head_count_kv(hyperparameters.kv_heads)
    writer.add_rope_freq_base(hyperparameters.rope_base)
    writer.add_layer_norm_eps(hyperparameters.norm_epsilon)
    if hyperparameters.sliding_window is not None:
        writer.add_sliding_window(hyperparameters.sliding_window)


def _count(config: Mapping[str, Any], key: str, limit: int, default: int | None = None) -> int:
    value = config.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= limit:
        raise ConvertError(
            f"config.json: {key} is {str(value)[:40]!r}.", "Get the checkpoint's own config.json.", exit_code=2
        )
    return value


def _positive(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ConvertError(
            f"config.json: {key} is {str(value)[:40]!r}.", "Get the checkpoint's own config.json.", exit_code=2
        )
    return float(value)


def _rope_base(config: Mapping[str, Any]) -> float:
    """`rope_theta`, or `rope_parameters.rope_theta` as transformers 5 writes it; scaled positions are refused."""
    parameters = config.get("rope_parameters") or {}
    scaling = config.get("rope_scaling") or parameters
    if not isinstance(parameters, dict) or not isinstance(scaling, dict):
        raise ConvertError("config.json: malformed rope_parameters.", exit_code=2)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        raise ConvertError(
            f"config.json: rotary positions scaled by {str(kind)[:40]!r} are not supported.", exit_code=2
        )
    if "rope_theta" not in config and "rope_theta" not in parameters:
        raise ConvertError("config.json: no rope_theta.", "Get the checkpoint's own config.json.", exit_code=2)
    return _positive(config if "rope_theta" in config else parameters, "rope_theta", 0.0)


def _window(config: Mapping[str, Any]) -> int | None:
    if config.get("sliding_window") is None or config.get("use_sliding_window") is False:
        return None
    return _count(config, "sliding_window", _MAX_TOKENS)
