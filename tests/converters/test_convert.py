"""A conversion gives a file that llama.cpp loads, or no file at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gguf import GGUFReader, dequantize

from converters.convert import run
from converters.errors import ConvertError
from converters.model import find_recipe
from converters.plan import refuse_overwriting
from converters.progress import Progress
from converters.rows import LocalShards
from tests.converters.checkpoints import Values, write_checkpoint
from tests.converters.driving import plan_recipes


def convert(checkpoint: Path, out: Path, *types: str) -> list[Progress]:
    return list(run(plan_recipes(checkpoint, out, types), LocalShards(checkpoint)))


def values(path: Path, name: str) -> npt.NDArray[Any]:
    tensor = next(t for t in GGUFReader(path).tensors if t.name == name)
    return dequantize(tensor.data, tensor.tensor_type)


def test_outputs_have_the_checkpoints_name_and_their_sha256(mini: Path, tmp_path: Path) -> None:
    convert(mini, tmp_path, "F32", "q8_0", "Q4_K_M")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f"mini-{t}.gguf{s}" for t in ("F32", "Q8_0", "Q4_K_M") for s in ("", ".sha256"))
    for path in tmp_path.glob("*.gguf"):
        digest, name = path.with_name(path.name + ".sha256").read_text().split()
        assert name == path.name
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_values_are_those_of_the_checkpoint(mini: Path, tmp_path: Path) -> None:
    convert(mini, tmp_path, "F32", "Q8_0")
    for name in ("token_embd.weight", "blk.1.ffn_down.weight", "output_norm.bias"):
        exact, rounded = values(tmp_path / "mini-F32.gguf", name), values(tmp_path / "mini-Q8_0.gguf", name)
        assert np.abs(exact).max() > 0.01
        np.testing.assert_allclose(rounded, exact, atol=2e-3)


def test_shards_and_dtypes_make_no_difference(mini: Path, tmp_path: Path) -> None:
    sharded = write_checkpoint(tmp_path / "mini", shards=3)
    convert(mini, tmp_path / "a", "Q4_K_M")
    convert(sharded, tmp_path / "b", "Q4_K_M")
    assert (tmp_path / "a/mini-Q4_K_M.gguf").read_bytes() == (tmp_path / "b/mini-Q4_K_M.gguf").read_bytes()
    convert(write_checkpoint(tmp_path / "half", dtype="F16"), tmp_path, "F16", "F32")
    np.testing.assert_array_equal(
        values(tmp_path / "half-F16.gguf", "blk.0.attn_q.weight"),
        values(tmp_path / "half-F32.gguf", "blk.0.attn_q.weight"),
    )


def test_one_file_by_name(mini: Path, tmp_path: Path) -> None:
    convert(mini, tmp_path / "x.gguf", "Q8_0")
    assert (tmp_path / "x.gguf").is_file()
    with pytest.raises(ConvertError, match="several types"):
        plan_recipes(mini, tmp_path / "x.gguf", ["Q8_0", "F16"])


def test_progress_ends_at_the_total(mini: Path, tmp_path: Path) -> None:
    events = convert(mini, tmp_path, "Q8_0")
    last = [event for event in events if event.stage == "convert"][-1]
    assert last.done == last.total > 1_000_000
    assert last.rate > 0


def test_stopping_in_the_middle_leaves_hidden_files_at_most(mini: Path, tmp_path: Path) -> None:
    work = run(plan_recipes(mini, tmp_path, ["Q4_K_M"]), LocalShards(mini))
    next(work)
    hidden = [".mini-Q4_K_M.gguf.journal", ".mini-Q4_K_M.gguf.partial"]
    assert sorted(p.name for p in tmp_path.iterdir()) == hidden
    work.close()
    assert sorted(p.name for p in tmp_path.iterdir()) in ([], hidden)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float, tmp_path: Path) -> None:
    def spoil(tensors: dict[str, Values]) -> None:
        tensors["model.layers.1.mlp.c_fc.weight"][3, 7] = bad

    path = write_checkpoint(tmp_path / "c", edit=spoil)
    with pytest.raises(ConvertError, match=r"layers.1.mlp.c_fc.weight holds NaN or infinite"):
        convert(path, tmp_path / "out", "Q4_K_M")
    assert list((tmp_path / "out").iterdir()) == []


def test_values_too_large_for_f16_are_refused(tmp_path: Path) -> None:
    def enlarge(tensors: dict[str, Values]) -> None:
        tensors["model.embed_tokens.weight"][0, 0] = -70000

    path = write_checkpoint(tmp_path / "c", edit=enlarge)
    with pytest.raises(ConvertError, match="F16 cannot hold"):
        convert(path, tmp_path / "out", "F16")
    assert list((tmp_path / "out").iterdir()) == []
    convert(path, tmp_path / "out", "BF16")


def test_a_shard_that_shrinks_meanwhile(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c")
    planned = plan_recipes(path, tmp_path / "out", ["Q8_0"])
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100_000])
    with pytest.raises(ConvertError, match="became shorter"):
        list(run(planned, LocalShards(path)))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_type_that_needs_an_importance_matrix(mini: Path, tmp_path: Path) -> None:
    for name in ("IQ2_XXS", "Q2_K_S", "IQ1_S", "IQ3_XS"):
        with pytest.raises(ConvertError, match="importance matrix"):
            plan_recipes(mini, tmp_path, [name])
    with pytest.raises(ConvertError, match="no type"):
        find_recipe("Q9_Z")


def test_an_output_is_no_input(mini: Path, tmp_path: Path) -> None:
    link = tmp_path / "x.gguf"
    link.hardlink_to(mini / "model.safetensors")
    with pytest.raises(ConvertError, match="is an input"):
        refuse_overwriting(plan_recipes(mini, link, ["Q8_0"]), [mini / "model.safetensors"])
    link.unlink()


def test_two_runs_to_one_file_keep_apart(mini: Path, tmp_path: Path) -> None:
    first = run(plan_recipes(mini, tmp_path, ["Q8_0"]), LocalShards(mini))
    next(first)
    with pytest.raises(ConvertError, match="another run"):
        convert(mini, tmp_path, "Q8_0")
    for _ in first:
        pass
    assert (tmp_path / "mini-Q8_0.gguf").is_file()
