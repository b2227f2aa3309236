"""What is asked for is what is planned: without loss, within a size, in several files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.bit_allocation import _knapsack, candidate_types, measure_errors, total_error
from converters.checkpoint import open_checkpoint
from converters.convert import run
from converters.errors import ConvertError
from converters.gguf_file import read_gguf
from converters.model import Model, find_recipe, read_model, recipe_mixture
from converters.request import ConversionRequest, Prepared, check, prepare
from converters.rows import LocalShards
from converters.sizes import parse_size
from tests.converters.checkpoints import Values, write_checkpoint
from tests.converters.driving import finish

IMATRIX = Path(__file__).parent / "golden" / "tiny-imatrix.gguf"


def prepared(checkpoint: Path, out: Path, *types: str, **options: Any) -> tuple[Model, Prepared]:
    model = read_model(open_checkpoint(checkpoint))
    return model, finish(prepare(ConversionRequest(out, types, **options), model, LocalShards(checkpoint)))


def round_to_bf16(tensors: dict[str, Values]) -> None:
    for name, values in tensors.items():
        tensors[name] = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def round_to_f16(tensors: dict[str, Values]) -> None:
    for name, values in tensors.items():
        tensors[name] = values.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(
    ("dtype", "edit", "type_name"),
    [("F32", None, "F32"), ("F32", round_to_bf16, "BF16"), ("F32", round_to_f16, "F16"), ("F16", None, "F16"),
     ("BF16", None, "BF16")],
    ids=["F32", "F32 of BF16 values", "F32 of F16 values", "F16", "BF16"],
)  # fmt: skip
def test_auto_loses_nothing(
    dtype: str, edit: Callable[[dict[str, Values]], None] | None, type_name: str, tmp_path: Path
) -> None:
    path = write_checkpoint(tmp_path / "c", dtype=dtype, edit=edit)
    _, found = prepared(path, tmp_path, "auto")
    assert [output.type for output in found.plan.outputs] == [type_name]


def test_a_type_asked_for_twice_is_made_once(mini: Path, tmp_path: Path) -> None:
    _, found = prepared(mini, tmp_path, "Q8_0", "q8_0", "auto", "F32")
    assert [output.type for output in found.plan.outputs] == ["Q8_0", "F32"]


@pytest.mark.parametrize("name", ["Q4_K_M", "Q3_K_S", "Q6_K"])
def test_a_fit_is_at_most_as_large_and_no_worse(name: str, mini: Path, tmp_path: Path) -> None:
    model, plain = prepared(mini, tmp_path, name)
    size = plain.plan.outputs[0].size_bytes
    _, fitted = prepared(mini, tmp_path, fit_bytes=size, fit_label="x")
    (output,) = fitted.plan.outputs
    assert output.size_bytes <= size
    assert output.files[0].path.name == "mini-fit-x.gguf"
    recipe = recipe_mixture(model, find_recipe(name))
    types = {tensor.name: tensor.type for tensor in output.files[0].tensors}
    assert total_error(types, fitted.errors) <= total_error(recipe.types, fitted.errors)
    finish(run(fitted.plan, LocalShards(mini)))
    assert output.files[0].path.stat().st_size == output.size_bytes
    assert read_gguf(output.files[0].path).get("general.file_type") == 1024


def test_a_fit_on_trained_weights(shared: Path, tmp_path: Path) -> None:
    check_that_a_fit_is_better(shared / "nano", None, tmp_path)


def test_a_fit_with_an_imatrix(make_tiny: Callable[[str], Path], tmp_path: Path) -> None:
    check_that_a_fit_is_better(make_tiny("tiny"), IMATRIX, tmp_path)


def check_that_a_fit_is_better(checkpoint: Path, matrix: Path | None, tmp_path: Path) -> None:
    _, plain = prepared(checkpoint, tmp_path, "Q4_K_M", imatrix=matrix)
    size = plain.plan.outputs[0].size_bytes
    _, fitted = prepared(checkpoint, tmp_path, fit_bytes=size, imatrix=matrix)
    recipe = {tensor.name: tensor.type for tensor in plain.plan.files[0].tensors}
    types = {tensor.name: tensor.type for tensor in fitted.plan.files[0].tensors}
    assert fitted.plan.outputs[0].size_bytes <= size
    assert total_error(types, fitted.errors) < 0.9 * total_error(recipe, fitted.errors)


def test_bits_a_weight(mini: Path, tmp_path: Path) -> None:
    model, found = prepared(mini, tmp_path, bpw=5.0)
    weights = sum(int(np.prod(source.shape)) for source in model.sources.values())
    bits = 8 * sum(tensor.size_bytes for tensor in found.plan.files[0].tensors) / weights
    assert 4.6 < bits <= 5.0
    with pytest.raises(ConvertError, match="smallest file possible") as caught:
        prepared(mini, tmp_path, bpw=1.0)
    assert caught.value.exit_code == 2


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.integers(0, 50)), min_size=1, max_size=4), min_size=1, max_size=5
    ),
    st.integers(0, 120),
)
def test_the_knapsack_is_solved(groups: list[list[tuple[int, int]]], spare: int) -> None:
    choices = []
    for group in groups:
        kept: list[tuple[str, int, float]] = []
        for size, error in sorted(group):
            if not kept or error < kept[-1][2]:
                kept.append(("", size, float(error)))
        choices.append(kept)
    budget = sum(group[0][1] for group in choices) + spare
    picked = [group[i] for group, i in zip(choices, _knapsack(choices, budget), strict=True)]
    best = min(
        sum(c[2] for c in combination)
        for combination in itertools.product(*choices)
        if sum(c[1] for c in combination) <= budget
    )
    assert sum(c[1] for c in picked) <= budget
    assert sum(c[2] for c in picked) == best


def test_errors_are_measured(mini: Path) -> None:
    model = read_model(open_checkpoint(mini))
    errors = finish(measure_errors(model, candidate_types(model, None), LocalShards(mini)))
    name = "blk.0.ffn_up.weight"
    found = [errors[name, type_name] for type_name in ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "BF16")]
    assert found == sorted(found, reverse=True)
    values = np.fromfile(mini / "model.safetensors", np.uint8)
    source = model.sources[name]
    exact = values[source.offset : source.offset + source.size_bytes].view(np.float32)
    truncated = np.abs(exact).max() / 127
    assert 0 < errors[name, "Q8_0"] < exact.size * truncated**2


def test_split_files(mini: Path, tmp_path: Path) -> None:
    _, whole = prepared(mini, tmp_path, "F16")
    _, split = prepared(mini, tmp_path, "F16", split_max_bytes=500_000)
    finish(run(split.plan, LocalShards(mini)))
    files = sorted(tmp_path.glob("*.gguf"))
    assert len(files) >= 4
    assert files[0].name == f"mini-F16-00001-of-{len(files):05d}.gguf"
    names = []
    for number, path in enumerate(files):
        found = read_gguf(path)
        names += [tensor.name for tensor in found.tensors]
        assert sum(tensor.size_bytes for tensor in found.tensors) <= 500_000
        assert found.get("split.no") == number
        assert found.get("split.count") == len(files)
        assert found.keys["split.tensors.count"].types == ("INT32",)
        assert ("tokenizer.ggml.tokens" in found.keys) == (number == 0)
    assert names == [tensor.name for tensor in whole.plan.files[0].tensors]
    assert found.get("split.tensors.count") == len(names)


@pytest.mark.parametrize(("text", "size"), [("2GB", 2 * 10**9), ("2.0GiB", 2**31), ("1.5m", 1_500_000), ("7", 7)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "0", "2 parsecs", "1e9", "٣GB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ConvertError, match="not a size"):
        parse_size(text)


def test_a_request_without_a_type(tmp_path: Path) -> None:
    for request in (
        ConversionRequest(tmp_path),
        ConversionRequest(tmp_path, ("Q4",)),
        ConversionRequest(tmp_path, bpw=99.0),
    ):
        with pytest.raises(ConvertError):
            check(request)


def test_a_matrix_of_another_model_is_refused(mini: Path, demo_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="another model"):
        prepared(mini, tmp_path, "Q4_K_M", imatrix=IMATRIX)
    with pytest.raises(ConvertError, match="not an importance matrix"):
        prepared(mini, tmp_path, "Q8_0", imatrix=demo_model)


def test_headers_are_enough_for_plain_types(mini: Path, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c")
    weights = path / "model.safetensors"
    size = weights.stat().st_size
    header = weights.read_bytes()[: 8 + int.from_bytes(weights.read_bytes()[:8], "little")]
    with weights.open("wb") as file:
        file.write(header)
        file.truncate(size)
    _, found = prepared(path, tmp_path, "Q4_K_M", "F16")
    sizes = [output.size_bytes for output in found.plan.outputs]
    assert sizes == [output.size_bytes for output in prepared(mini, tmp_path, "Q4_K_M", "F16")[1].plan.outputs]
    assert json.dumps(sizes)
