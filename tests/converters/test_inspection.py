"""`inspect` names what is wrong with a file, and `repair` fixes the metadata and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

from converters.errors import ConvertError
from converters.gguf_file import read_gguf
from converters.inspection import Inspection, inspect
from converters.repair import Repaired, repair
from tests.converters.driving import finish

Change = Callable[[dict[str, Any]], None]


def look(path: Path) -> Inspection:
    return finish(inspect(path))


def fix(source: Path, target: Path) -> Repaired:
    return finish(repair(source, target))


def codes(path: Path) -> set[str]:
    return {problem.code for problem in look(path).problems}


@pytest.fixture
def model(demo_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(demo_model, tmp_path / "model.gguf"))


def rewrite(source: Path, target: Path, change: Change) -> None:
    """Write a file again with gguf's own writer, its keys changed: value, or None to leave one out."""
    reader = GGUFReader(source)
    keys = {name: field for name, field in reader.fields.items() if not name.startswith(("GGUF.", "general.arch"))}
    values = {name: field.contents() for name, field in keys.items()}
    change(values)
    writer = GGUFWriter(target, "starcoder2")
    for name, value in values.items():
        if value is not None:
            types = keys[name].types
            writer.add_key_value(name, value, types[0], types[1] if len(types) > 1 else None)
    for tensor in reader.tensors:
        kind = GGMLQuantizationType(tensor.tensor_type)
        writer.add_tensor(tensor.name, tensor.data, raw_shape=tensor.data.shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def weights(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    return {t.name: data[t.offset : t.offset + t.size_bytes] for t in read_gguf(path).tensors}


def values_of(path: Path) -> dict[str, Any]:
    return {name: key.value for name, key in read_gguf(path).keys.items()}


def test_nothing_is_wrong_with_what_is_written_here(model: Path) -> None:
    found = look(model)
    assert found.problems == ()
    summary = found.summary
    assert summary["architecture"] == "starcoder2"
    assert summary["types"] == {"F32": 62, "Q8_0": 37}
    assert summary["fim"]["fim_sep"] == 6
    assert summary["sliding_window"] == 256
    assert summary["file_type"] == "Q8_0"
    with pytest.raises(ConvertError, match="nothing to fix"):
        fix(model, model.with_name("x.gguf"))


@pytest.mark.parametrize(
    ("change", "code", "repairable"),
    [
        ({"tokenizer.ggml.pre": None}, "pre_tokenizer", True),
        ({"tokenizer.ggml.pre": "default"}, "pre_tokenizer", True),
        ({"tokenizer.ggml.fim_sep_token_id": None}, "fim_sep_token_id", True),
        ({"tokenizer.ggml.fim_mid_token_id": 3}, "fim_mid_token_id", True),
        ({"tokenizer.ggml.eos_token_id": 50256}, "eos_token_id", True),
        ({"tokenizer.ggml.eos_token_id": None}, "eos_token_id", True),
        ({"starcoder2.rope.freq_base": None}, "rope_base", False),
        ({"starcoder2.attention.sliding_window": None}, "sliding_window", False),
    ],
    ids=str,
)
def test_metadata_problems(change: dict[str, object], code: str, repairable: bool, model: Path, tmp_path: Path) -> None:
    broken, fixed = tmp_path / "broken.gguf", tmp_path / "fixed.gguf"
    rewrite(model, broken, lambda values: values.update(change))
    (problem,) = look(broken).problems
    assert (problem.code, problem.repairable) == (code, repairable)
    if not repairable:
        with pytest.raises(ConvertError, match="nothing to fix"):
            fix(broken, fixed)
        assert not fixed.exists()
        return
    done = fix(broken, fixed)
    assert [p.code for p in done.fixed] == [code]
    assert look(fixed).problems == ()
    assert weights(fixed) == weights(broken) == weights(model)
    assert {n: k.value for n, k in read_gguf(fixed).keys.items()} == {
        n: k.value for n, k in read_gguf(model).keys.items()
    }


def test_a_model_of_a_published_shape_gets_the_published_values(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    size = {"starcoder2.block_count": 30, "starcoder2.embedding_length": 3072}
    missing = ("starcoder2.rope.freq_base", "starcoder2.attention.sliding_window")
    rewrite(model, broken, lambda values: values.update(size | dict.fromkeys(missing)))
    done = fix(broken, tmp_path / "fixed.gguf")
    assert {p.code for p in done.fixed} == {"rope_base", "sliding_window"}
    assert values_of(tmp_path / "fixed.gguf")["starcoder2.attention.sliding_window"] == 4096
    assert values_of(tmp_path / "fixed.gguf")["starcoder2.rope.freq_base"] == pytest.approx(999999.44)


def test_a_published_vocabulary_gets_what_it_lacks(shared: Path, tmp_path: Path) -> None:
    source = shared / "starcoder2-vocab" / "ggml-vocab-starcoder.gguf"
    assert {"sliding_window", "fim_rep_token_id", "tensors"} <= codes(source)
    fix(source, tmp_path / "x.gguf")
    assert codes(tmp_path / "x.gguf") == {"tensors"}
    assert read_gguf(tmp_path / "x.gguf").get("starcoder2.attention.sliding_window") == 4096


def test_data_problems(model: Path) -> None:
    whole = model.read_bytes()
    tensor = next(t for t in read_gguf(model).tensors if t.name == "blk.3.ffn_up.weight")
    damaged = bytearray(whole)
    damaged[tensor.offset : tensor.offset + 2] = np.array([np.nan], "<f2").tobytes()
    model.write_bytes(damaged)
    (problem,) = look(model).problems
    assert (problem.code, problem.repairable) == ("data", False)
    assert "blk.3.ffn_up.weight" in problem.what
    model.write_bytes(whole[:-1000])
    assert codes(model) == {"truncated"}
    with pytest.raises(ConvertError, match="cut off"):
        fix(model, model.with_name("x.gguf"))
    model.write_bytes(bytes(4096) + whole[4096:])
    (problem,) = look(model).problems
    assert problem.code == "header"
    assert "zeroed" in problem.what
    model.write_bytes(whole[:5000])
    assert codes(model) == {"header"}


def test_a_tensor_in_another_place(model: Path) -> None:
    data = bytearray(model.read_bytes())
    name = b"blk.3.ffn_up.weight"
    at = data.index(name) + len(name) + 4 + 2 * 8 + 4
    offset = int.from_bytes(data[at : at + 8], "little")
    data[at : at + 8] = (offset - 64).to_bytes(8, "little")
    model.write_bytes(data)
    assert "offsets" in codes(model)


def test_an_output_is_no_input(model: Path) -> None:
    broken = model.with_name("broken.gguf")
    rewrite(model, broken, lambda values: values.update({"tokenizer.ggml.pre": None}))
    before = broken.read_bytes()
    with pytest.raises(ConvertError, match="cannot be the output"):
        fix(broken, broken)
    assert broken.read_bytes() == before


def localcoder(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "localcoder", *map(str, arguments)], capture_output=True, text=True)


def test_the_commands(model: Path, tmp_path: Path) -> None:
    done = localcoder("inspect", model, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert len(found["tensor_list"]) == 99
    broken = tmp_path / "broken.gguf"
    rewrite(model, broken, lambda values: values.update({"tokenizer.ggml.pre": None}))
    done = localcoder("inspect", broken)
    assert done.returncode == 1
    assert "pre-tokenizer is missing" in done.stdout
    done = localcoder("repair", broken, tmp_path / "fixed.gguf")
    assert done.returncode == 0, done.stderr
    assert localcoder("inspect", tmp_path / "fixed.gguf").returncode == 0
    assert localcoder("inspect", tmp_path / "nothing.gguf").returncode == 2
