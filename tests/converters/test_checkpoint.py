"""Checkpoints that are not what they should be are refused in one line, whatever is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.checkpoint import open_checkpoint, parse_index, read_header
from converters.errors import ConvertError
from converters.model import read_model
from tests.converters.checkpoints import write_checkpoint, write_raw


def header_error(path: Path) -> str:
    with pytest.raises(ConvertError) as caught:
        read_header(path)
    assert caught.value.exit_code == 2
    return caught.value.what


def entry(start: int, end: int, dtype: str = "F32", shape: list[object] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(end - start) // 4] if shape is None else shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        (b'{"a":', b"", "not valid JSON"),
        (b"[1]", b"", "not a JSON object"),
        (b"[" * 100_000, b"", "not valid JSON"),
        (b"\xff\xfe", b"", "not valid JSON"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1}', bytes(4), "twice"),
        (json.dumps({"a": entry(0, 4, "F31")}).encode(), bytes(4), "unknown dtype"),
        (json.dumps({"a": entry(0, 4, shape=[-1])}).encode(), bytes(4), "impossible shape"),
        (json.dumps({"a": entry(0, 4, shape=[True])}).encode(), bytes(4), "impossible shape"),
        (json.dumps({"a": entry(0, 4, shape=[2**70])}).encode(), bytes(4), "impossible shape"),
        (json.dumps({"a": entry(0, 4, shape=[2])}).encode(), bytes(4), "does not fill"),
        (json.dumps({"a": entry(4, 0, shape=[1])}).encode(), bytes(4), "impossible offsets"),
        (json.dumps({"a": entry(0, 8), "b": entry(4, 12)}).encode(), bytes(12), "overlaps"),
        (json.dumps({"a": entry(0, 4), "b": entry(8, 12)}).encode(), bytes(12), "gap"),
        (json.dumps({"a": entry(0, 8)}).encode(), bytes(4), "truncated"),
        (json.dumps({"a": entry(0, 4)}).encode(), bytes(5), "follow"),
        (b'{"a":' + b"[]," * 5_000_000, b"", "too much JSON"),
    ],
    ids=range(16),
)
def test_bad_headers(header: bytes, data: bytes, says: str, tmp_path: Path) -> None:
    write_raw(tmp_path / "model.safetensors", header, data)
    assert says in header_error(tmp_path / "model.safetensors")


def test_header_longer_than_the_format_allows(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((2**63).to_bytes(8, "little") + bytes(100))
    assert "not a safetensors file" in header_error(path)
    path.write_bytes((1000).to_bytes(8, "little") + bytes(100))
    assert "truncated" in header_error(path)
    path.write_bytes(b"abc")
    assert "too short" in header_error(path)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/x.safetensors", "a\\b.safetensors", "x.bin", 7, ""])
def test_shard_names_have_no_path(name: object) -> None:
    with pytest.raises(ConvertError, match="not a plain"):
        parse_index(json.dumps({"weight_map": {"a": name}}).encode(), "index")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c", shards=3)
    (path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ConvertError, match=r"model-00002-of-00003.safetensors: the shard is missing"):
        open_checkpoint(path)


def test_index_and_shards_must_agree(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c", shards=2)
    index = json.loads((path / "model.safetensors.index.json").read_text())
    index["weight_map"]["model.embed_tokens.weight"] = "model-00002-of-00002.safetensors"
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConvertError, match="the index says"):
        open_checkpoint(path)


def change_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "LlamaForCausalLM"),
        ({"hidden_size": -1}, "hidden_size"),
        ({"hidden_size": "256"}, "hidden_size"),
        ({"num_attention_heads": 3}, "heads"),
        ({"rope_theta": None}, "rope_theta"),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "scaled"),
        ({"hidden_act": "silu"}, "activation"),
        ({"num_hidden_layers": 3}, "missing"),
        ({"num_hidden_layers": 1}, "no tensor"),
        ({"intermediate_size": 1024}, "config.json makes it"),
        ({"tie_word_embeddings": False}, "lm_head.weight is missing"),
        ({"quantization_config": {"bits": 4}}, "quantized already"),
    ],
)
def test_configs_that_are_refused(changes: dict[str, object], says: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c")
    change_config(path, **changes)
    with pytest.raises(ConvertError, match=says) as caught:
        read_model(open_checkpoint(path))
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="no such directory"):
        open_checkpoint(tmp_path / "nowhere")
    path = write_checkpoint(tmp_path / "c")
    (path / "tokenizer.json").unlink()
    with pytest.raises(ConvertError, match=r"tokenizer.json is missing"):
        read_model(open_checkpoint(path))
    (path / "model.safetensors").unlink()
    with pytest.raises(ConvertError, match="neither"):
        open_checkpoint(path)
    (path / "pytorch_model.bin").touch()
    with pytest.raises(ConvertError, match="pickles"):
        open_checkpoint(path)


def test_integers_are_no_weights(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c")
    tensors = read_header(path / "model.safetensors")
    base = min(t.offset for t in tensors.values())
    header = {
        n: entry(t.offset - base, t.offset - base + t.size_bytes, "I32", list(t.shape)) for n, t in tensors.items()
    }
    data = bytes(sum(t.size_bytes for t in tensors.values()))
    write_raw(path / "model.safetensors", json.dumps(header).encode(), data)
    with pytest.raises(ConvertError, match="I32"):
        read_model(open_checkpoint(path))
