"""Files with anything changed in them give a clear error or a right answer: no crash, no hang, no runaway memory."""

from __future__ import annotations

import json
import random
import resource
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.checkpoint import read_header
from converters.convert import run
from converters.errors import ConvertError
from converters.imatrix import imatrix_bytes, read_imatrix
from converters.inspection import inspect
from converters.rows import LocalShards
from tests.converters.driving import finish, plan_recipes

MEMORY_BYTES = 1 << 30

many = settings(max_examples=250, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def copy(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(mini, tmp_path_factory.mktemp("mutations") / "mini"))


@pytest.fixture(autouse=True)
def within_memory() -> Generator[None, None, None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY_BYTES


def convert(checkpoint: Path, out: Path) -> None:
    """Convert, and expect files and a plan that agree, or an error of one line and no file."""
    for path in out.glob("*"):
        path.unlink()
    try:
        written = finish(run(plan_recipes(checkpoint, out, ["Q4_K_M"]), LocalShards(checkpoint)))
    except ConvertError as error:
        assert "\n" not in error.what
        assert error.exit_code in (1, 2)
        assert list(out.glob("*")) == []
    else:
        assert written[0].path.stat().st_size == written[0].size_bytes


def mutate(data: bytes, seed: int, limit: int) -> bytes:
    """Some bytes changed, cut out or put in, within the first `limit`."""
    rng, changed = random.Random(seed), bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(min(limit, len(changed)) or 1)
        kind = rng.randrange(4)
        if kind == 0:
            changed[at] = rng.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del changed[at : at + rng.randint(1, 64)]
        else:
            changed[at:at] = rng.randbytes(rng.randint(1, 16))
    return bytes(changed)


@many
@given(seed=st.integers(0, 2**32))
def test_safetensors_bytes(seed: int, mini: Path, copy: Path, tmp_path: Path) -> None:
    data = (mini / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    (copy / "model.safetensors").write_bytes(mutate(data, seed, header))
    try:
        convert(copy, tmp_path)
    finally:
        (copy / "model.safetensors").write_bytes(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["F32", "F64"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@many
@given(data=st.data())
def test_safetensors_headers(data: st.DataObject, mini: Path, tmp_path: Path) -> None:
    raw = (mini / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    name = data.draw(st.sampled_from(sorted(header)))
    if isinstance(header[name], dict) and data.draw(st.booleans()):
        header[name][data.draw(st.sampled_from(["dtype", "shape", "data_offsets"]))] = data.draw(values)
    else:
        header[name] = data.draw(values)
    blob = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(blob).to_bytes(8, "little") + blob + raw[8 + length :])
    try:
        found = read_header(tmp_path / "x.safetensors")
    except ConvertError as error:
        assert error.exit_code == 2
    else:
        assert sum(tensor.size_bytes for tensor in found.values()) == len(raw) - 8 - length


@many
@given(file=st.sampled_from(["config.json", "tokenizer.json", "tokenizer_config.json"]), data=st.data())
def test_json_files(file: str, data: st.DataObject, mini: Path, copy: Path, tmp_path: Path) -> None:
    value: Any = json.loads((mini / file).read_text())
    at: Any = value
    while True:
        key = data.draw(st.sampled_from(sorted(at)) if isinstance(at, dict) else st.integers(0, len(at) - 1))
        if isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
            at = at[key]
            continue
        at[key] = data.draw(values)
        break
    (copy / file).write_text(json.dumps(value))
    try:
        convert(copy, tmp_path)
    finally:
        shutil.copy(mini / file, copy / file)


@many
@given(seed=st.integers(0, 2**32))
def test_gguf_bytes(seed: int, demo_model: Path, tmp_path: Path) -> None:
    data = demo_model.read_bytes()
    (tmp_path / "x.gguf").write_bytes(mutate(data, seed, 4096 if seed % 2 else 500_000))
    finish(inspect(tmp_path / "x.gguf", data=seed % 8 == 0))


@many
@given(seed=st.integers(0, 2**32))
def test_imatrix_bytes(seed: int, tmp_path: Path) -> None:
    import numpy as np

    sums = {f"blk.{i}.attn_q.weight": np.arange(64, dtype=np.float64) for i in range(3)}
    data = imatrix_bytes(sums, dict.fromkeys(sums, 7), ["x"], 1, 512)
    (tmp_path / "x.gguf").write_bytes(mutate(data, seed, len(data)))
    try:
        found = read_imatrix(tmp_path / "x.gguf")
    except ConvertError as error:
        assert error.exit_code == 2
    else:
        assert all(np.isfinite(weights).all() for weights in found.weights.values())
