"""`localcoder complete --lora`: an adapter made by this project's converter, on the bundled model."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from numpy.typing import NDArray

from localcoder import paths


def localcoder(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "localcoder", *map(str, args)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEFT adapter for the bundled model's shape, with weights large enough to be noticed."""
    folder = tmp_path_factory.mktemp("adapter")
    width = int(GGUFReader(paths.bundled_model()).fields["starcoder2.embedding_length"].contents())
    rng, rank = np.random.default_rng(0), 4
    arrays: dict[str, NDArray[np.float32]] = {}
    for layer in range(6):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        arrays[f"{name}.lora_A.weight"] = rng.standard_normal((rank, width)).astype(np.float32)
        arrays[f"{name}.lora_B.weight"] = rng.standard_normal((width, rank)).astype(np.float32)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": ["q_proj"], "bias": "none"})
    )
    write_safetensors(folder / "adapter_model.safetensors", arrays)
    out = folder / "adapter.gguf"
    made = localcoder("convert", folder, "-o", out)
    assert made.returncode == 0, made.stderr
    return out


def write_safetensors(path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    header, offset = {}, 0
    for name, array in arrays.items():
        end = offset + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    blob = json.dumps(header).encode()
    blob += b" " * (-len(blob) % 8)
    path.write_bytes(len(blob).to_bytes(8, "little") + blob + b"".join(a.tobytes() for a in arrays.values()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text("import os\n\n\ndef main(argv):\n    for name in ")
    return path


def text(file: Path, *args: object) -> str:
    run = localcoder("complete", file, "--mode", "free", "--max-tokens", 24, "--json", *args)
    assert run.returncode == 0, run.stderr
    return str(json.loads(run.stdout)["text"])


def test_an_adapter_changes_the_completion_and_scale_0_does_not(file: Path, adapter: Path) -> None:
    plain = text(file)
    assert text(file, "--lora", adapter) != plain
    assert text(file, "--lora", f"{adapter}:0.0") == plain


@pytest.mark.parametrize(
    ("value", "says"), [("none.gguf", "no adapter file"), ("x.gguf:much", "not a scale"), ("MODEL", "no adapter for")]
)
def test_what_is_no_adapter_is_named(file: Path, value: str, says: str) -> None:
    run = localcoder("complete", file, "--lora", paths.bundled_model() if value == "MODEL" else value)
    assert run.returncode == 2 and says in run.stderr and "Traceback" not in run.stderr
