"""What is written here equals what llama.cpp's converter and llama-quantize wrote, tensor by tensor and key by key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from converters.checkpoint import open_checkpoint
from converters.convert import run
from converters.errors import ConvertError
from converters.gguf_file import read_gguf
from converters.imatrix import read_imatrix
from converters.model import find_recipe, plan_model, read_model, recipe_mixture
from converters.plan import PlannedFile
from converters.recipes import RECIPES, tensor_type
from converters.rows import LocalShards

FIM = {"fim_pre": 1, "fim_suf": 3, "fim_mid": 2, "fim_pad": 4, "fim_rep": 5, "fim_sep": 6}


@pytest.fixture(scope="module", params=["tiny", "tiny-untied"])
def tiny(request: pytest.FixtureRequest, make_tiny: Callable[[str], Path]) -> Path:
    return make_tiny(request.param)


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def convert(checkpoint: Path, out: Path, types: list[str], imatrix: Path | None = None) -> dict[str, PlannedFile]:
    model, matrix = read_model(open_checkpoint(checkpoint)), read_imatrix(imatrix) if imatrix else None
    plan = plan_model(model, [recipe_mixture(model, find_recipe(t), matrix) for t in types], out, imatrix=matrix)
    for _ in run(plan, LocalShards(checkpoint)):
        pass
    return {output.type: output.files[0] for output in plan.outputs}


def tensors(reader: GGUFReader) -> dict[str, tuple[str, list[int], str]]:
    return {
        t.name: (t.tensor_type.name, [int(n) for n in t.shape], hashlib.sha256(t.data.tobytes()).hexdigest())
        for t in reader.tensors
    }


def planned_tensors(file: PlannedFile) -> dict[str, tuple[str, list[int], str]]:
    """As `tensors`, from the plan's offsets: gguf's reader takes seconds on a vocabulary of this size."""
    data = file.path.read_bytes()
    return {
        t.name: (t.type, list(t.shape[::-1]), hashlib.sha256(data[t.offset : t.offset + t.size_bytes]).hexdigest())
        for t in file.tensors
    }


def expected(entry: dict[str, Any]) -> dict[str, tuple[str, list[int], str]]:
    return {name: (t["type"], t["shape"], t["sha256"]) for name, t in entry["tensors"].items()}


def test_as_llama_cpp_converts(tiny: Path, shared: Path, tmp_path: Path) -> None:
    golden = load(shared / "golden" / f"{tiny.name}-convert.json")["outtypes"]
    files = convert(tiny, tmp_path, list(golden))
    for name, entry in golden.items():
        file = files[name.upper()]
        assert planned_tensors(file) == expected(entry)
        found = {key: (list(stored.types), stored.value) for key, stored in read_gguf(file.path).keys.items()}
        for key, want in entry["kv"].items():
            types, value = found.pop(key)
            assert types == want["type"], key
            if isinstance(want["value"], dict):
                assert (
                    hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
                    == want["value"]["sha256"]
                )
            else:
                assert value == want["value"], key
        if name == "bf16":
            assert tensors(GGUFReader(file.path)) == expected(entry)
        extra = {key: value for key, (_, value) in found.items()}
        ids = {f"tokenizer.ggml.{stem}_token_id": token_id for stem, token_id in FIM.items()}
        assert extra == {"starcoder2.attention.sliding_window": 64, **ids}


@pytest.mark.parametrize("kind", ["plain", "imatrix"])
def test_as_llama_quantize(kind: str, tiny: Path, shared: Path, tmp_path: Path) -> None:
    golden = load(shared / "golden" / f"{tiny.name}-quantize.json")[kind]
    matrix = shared / "golden" / f"{tiny.name}-imatrix.gguf" if kind == "imatrix" else None
    made = {name: entry for name, entry in golden.items() if "refused" not in entry}
    assert len(made) >= 20
    files = convert(tiny, tmp_path, list(made), matrix)
    for name, entry in made.items():
        found = planned_tensors(files[name])
        assert found == expected(entry), name
        assert list(found) == list(entry["tensors"])
    if matrix:
        keys = read_gguf(files["Q4_K_M"].path).keys
        assert keys["quantize.imatrix.file"].value == matrix.name
        assert keys["quantize.imatrix.entries_count"].value == 24
    for name in golden.keys() - made.keys():
        with pytest.raises(ConvertError, match="importance matrix"):
            convert(tiny, tmp_path, [name])


@pytest.mark.parametrize(("size", "layers", "gqa"), [("3b", 30, 12), ("7b", 32, 9)])
def test_types_at_full_shape(size: str, layers: int, gqa: int, shared: Path) -> None:
    for name, types in load(shared / "golden" / f"{size}-recipes.json").items():
        if name == "made_with":
            continue
        for tensor, want in types.items():
            shape = (256, 256)
            got = tensor_type(RECIPES[name], tensor, shape, layers=layers, gqa=gqa, tied=True, imatrix=False)
            assert got == want, (name, tensor)


def test_nano_has_transformers_5_config(shared: Path, tmp_path: Path) -> None:
    fields = GGUFReader(convert(shared / "nano", tmp_path, ["Q8_0"])["Q8_0"].path).fields
    assert fields["starcoder2.rope.freq_base"].contents() == 100000.0
    assert fields["starcoder2.attention.sliding_window"].contents() == 256
