"""What is written here equals what llama.cpp's converter and llama-quantize wrote: see golden/README.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gguf import GGUFReader, LlamaFileType

from converters.checkpoint import open_checkpoint
from converters.errors import ConvertError
from converters.gguf_file import read_gguf
from converters.imatrix import read_imatrix
from converters.model import find_recipe, read_model, recipe_mixture
from converters.plan import PlannedFile
from converters.recipes import RECIPES, is_quantizable, tensor_type
from tests.converters.checkpoints import GOLDEN, write_checkpoint
from tests.converters.driving import convert

FOLDER = Path(__file__).parent / "golden"
IMATRIX = FOLDER / "tiny-imatrix.gguf"
TENSORS = json.loads((FOLDER / "tensors.json").read_text())
RECIPE_TYPES = json.loads((FOLDER / "recipes.json").read_text())
KEYS = json.loads((FOLDER / "keys.json").read_text())
Tensors = dict[str, tuple[str, str]]
"""Tensor → (type, first 16 hexadecimal digits of the sha256 of its bytes), in the file's order."""

FIM = {"fim_pre": 1, "fim_suf": 3, "fim_mid": 2, "fim_pad": 4, "fim_rep": 5, "fim_sep": 6}


def type_by_tensor(roles: dict[str, str | list[str]], layers: int) -> Iterator[tuple[str, str]]:
    """(name of a matrix, its type), from a recipe as golden/recipes.json has it."""
    for role, type_names in roles.items():
        if role in ("token_embd", "output"):
            yield f"{role}.weight", str(type_names)
            continue
        for layer in range(layers):
            yield f"blk.{layer}.{role}.weight", type_names if isinstance(type_names, str) else type_names[layer]


def wanted(name: str, types: dict[str, str], *, imatrix: bool) -> Tensors:
    """What llama.cpp made of a checkpoint in `GOLDEN`, given the types of its matrices."""
    found = {}
    for tensor in TENSORS["order"]:
        if tensor == "output.weight" and GOLDEN[name].tied:
            continue
        type_name = types.get(tensor, "F32")
        weighted = imatrix and tensor.startswith("blk.") and type_name != "F32"
        found[tensor] = (type_name, TENSORS["imatrix" if weighted else "plain"][type_name][tensor])
    return found


def made(file: PlannedFile) -> Tensors:
    """As `wanted`, of a file that was written."""
    data = file.path.read_bytes()
    return {t.name: (t.type, _digest(data[t.offset : t.offset + t.size_bytes])) for t in file.tensors}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def made_by_recipe(checkpoint: Path, out: Path, imatrix: Path | None = None) -> dict[str, Tensors]:
    """All recipes that golden/ has of this checkpoint, in one pass; the files, half a gigabyte, are not kept."""
    recipes = RECIPE_TYPES[f"{checkpoint.name} with an imatrix" if imatrix else checkpoint.name]
    plan = convert(checkpoint, out, *recipes, imatrix=imatrix)
    found = {}
    for output in plan.outputs:
        (file,) = output.files
        found[output.type] = made(file)
        if imatrix:
            keys = read_gguf(file.path).keys
            assert keys["quantize.imatrix.file"].value == IMATRIX.name
            assert keys["quantize.imatrix.entries_count"].value == 24
        file.path.unlink()
    return found


@pytest.fixture(scope="module", params=list(GOLDEN))
def tiny(request: pytest.FixtureRequest, make_tiny: Callable[[str], Path]) -> Path:
    return make_tiny(request.param)


@pytest.fixture(scope="module")
def plain(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensors]:
    return made_by_recipe(tiny, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def weighted(make_tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensors]:
    return made_by_recipe(make_tiny("tiny"), tmp_path_factory.mktemp("weighted"), IMATRIX)


def test_as_llama_cpp_converts(tiny: Path, tmp_path: Path) -> None:
    matrices = [name for name in TENSORS["order"] if is_quantizable(name, (1, 1))]
    for output in convert(tiny, tmp_path, "F32", "BF16", "F16", "Q8_0").outputs:
        (file,) = output.files
        assert made(file) == wanted(tiny.name, dict.fromkeys(matrices, output.type), imatrix=False)
        keys = dict(read_gguf(file.path).keys)
        for key, want in KEYS[tiny.name].items():
            stored = keys.pop(key)
            assert (list(stored.types), stored.value) == (want["types"], want["value"]), key
        file_type = LlamaFileType["ALL_F32" if output.type == "F32" else f"MOSTLY_{output.type}"]
        assert {key: stored.value for key, stored in keys.items() if not isinstance(stored.value, list)} == {
            "general.file_type": file_type,
            "starcoder2.attention.sliding_window": 64,
            **{f"tokenizer.ggml.{stem}_token_id": token_id for stem, token_id in FIM.items()},
        }


def test_ggufs_own_reader_finds_the_same(make_tiny: Callable[[str], Path], tmp_path: Path) -> None:
    (file,) = convert(make_tiny("tiny"), tmp_path, "Q4_K_M").files
    read = {t.name: (t.tensor_type.name, _digest(t.data.tobytes())) for t in GGUFReader(file.path).tensors}
    assert read == made(file)


@pytest.mark.parametrize("recipe", RECIPE_TYPES["tiny"])
def test_as_llama_quantize(recipe: str, tiny: Path, plain: dict[str, Tensors]) -> None:
    types = dict(type_by_tensor(RECIPE_TYPES[tiny.name][recipe], 4))
    assert list(plain[recipe].items()) == list(wanted(tiny.name, types, imatrix=False).items())


@pytest.mark.parametrize("recipe", RECIPE_TYPES["tiny with an imatrix"])
def test_as_llama_quantize_with_an_imatrix(recipe: str, weighted: dict[str, Tensors]) -> None:
    types = dict(type_by_tensor(RECIPE_TYPES["tiny with an imatrix"][recipe], 4))
    assert list(weighted[recipe].items()) == list(wanted("tiny", types, imatrix=True).items())


def test_types_of_an_untied_model_with_an_imatrix(make_tiny: Callable[[str], Path]) -> None:
    model, matrix = read_model(open_checkpoint(make_tiny("tiny-untied"))), read_imatrix(IMATRIX)
    for recipe, roles in RECIPE_TYPES["tiny-untied with an imatrix"].items():
        types = recipe_mixture(model, find_recipe(recipe), matrix).types
        assert {name: types[name] for name in types if types[name] != "F32"} == dict(type_by_tensor(roles, 4)), recipe


def test_what_llama_quantize_refuses_without_an_imatrix(tiny: Path) -> None:
    model = read_model(open_checkpoint(tiny))
    for recipe in RECIPE_TYPES["needs an imatrix"]:
        with pytest.raises(ConvertError, match="importance matrix"):
            recipe_mixture(model, find_recipe(recipe))


@pytest.mark.parametrize(("size", "layers", "gqa"), [("3b", 30, 12), ("7b", 32, 9)])
def test_types_at_full_shape(size: str, layers: int, gqa: int) -> None:
    for recipe, roles in RECIPE_TYPES[size].items():
        for tensor, want in type_by_tensor(roles, layers):
            shape = (256, 256)
            got = tensor_type(RECIPES[recipe], tensor, shape, layers=layers, gqa=gqa, tied=True, imatrix=False)
            assert got == want, (recipe, tensor)


def test_every_quantization_type_is_proven() -> None:
    chosen = {recipe.default for recipe in RECIPES.values()}
    assert chosen <= TENSORS["plain"].keys() | TENSORS["imatrix"].keys()


def test_the_published_vocabulary(published: Path, shared: Path, tmp_path: Path) -> None:
    golden = json.loads((shared / "golden" / "tiny-convert.json").read_text())["outtypes"]["bf16"]["kv"]
    (file,) = convert(published, tmp_path, "BF16").files
    keys = read_gguf(file.path).keys
    for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"):
        data = json.dumps(keys[key].value, ensure_ascii=False).encode()
        assert hashlib.sha256(data).hexdigest() == golden[key]["value"]["sha256"], key


def test_a_config_as_transformers_5_writes_it(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "mini")
    config = json.loads((checkpoint / "config.json").read_text())
    config["rope_parameters"] = {"rope_theta": config.pop("rope_theta") * 10, "rope_type": "default"}
    (checkpoint / "config.json").write_text(json.dumps(config))
    (file,) = convert(checkpoint, tmp_path, "Q8_0").files
    assert read_gguf(file.path).get("starcoder2.rope.freq_base") == 100000.0
