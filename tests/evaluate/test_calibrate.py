"""`localcoder calibrate` measures what llama-imatrix measures, and its files are read where llama.cpp's are."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import numpy as np
import psutil
import pytest

from converters.gguf_file import read_gguf
from converters.imatrix import read_imatrix
from localcoder.code.walk import SourceFile
from localcoder.engine.api import Finished, MatrixInputs, Request, SpecialIds
from localcoder.engine.local import LocalEngine
from localcoder.errors import LocalcoderError
from localcoder.evaluate.calibrate import prompts


def localcoder(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localcoder", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def sums(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    return {t.name: np.frombuffer(data[t.offset : t.offset + t.size_bytes], "<f4") for t in read_gguf(path).tensors}


def test_as_llama_imatrix(shared: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, shared / "make_checkpoint.py", "tiny", tmp_path / "tiny"], check=True)
    assert localcoder("convert", tmp_path / "tiny", "-t", "BF16", "-o", tmp_path).returncode == 0
    done = localcoder(
        "calibrate", tmp_path / "tiny-BF16.gguf", "--text", shared / "golden" / "calib.txt", "--form", "plain",
        "--chunk-size", 512, "--chunks", 8, "-o", tmp_path / "imatrix.gguf",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mine, theirs = sums(tmp_path / "imatrix.gguf"), sums(shared / "golden" / "tiny-imatrix.gguf")
    assert mine.keys() == theirs.keys()
    for name, want in theirs.items():
        assert np.linalg.norm(mine[name] - want) <= 1e-3 * np.linalg.norm(want), name
        # Single columns depend on the processor's kernels: llama-imatrix itself differs by 1.3e-3 between two of them.
        np.testing.assert_allclose(mine[name], want, rtol=2e-3)
    assert read_gguf(tmp_path / "imatrix.gguf").get("imatrix.chunk_count") == 8


def test_the_bundled_model_in_all_forms(demo_model: Path, tmp_path: Path) -> None:
    code = Path(__file__).parents[1] / "converters"
    done = localcoder("calibrate", demo_model, "--text", code, "--chunks", 8, "-o", tmp_path / "x.gguf")
    assert done.returncode == 0, done.stderr
    matrix = read_imatrix(tmp_path / "x.gguf")
    assert len(matrix.weights) == 6 * 6
    assert read_gguf(tmp_path / "x.gguf").get("imatrix.chunk_size") == 256
    assert all((weights > 0).all() for weights in matrix.weights.values())


def begun(demo_model: Path, output: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A calibration that takes minutes, and the child that computes."""
    big = output.with_name("big.py")
    big.write_text("".join(f"def function_{i}(value):\n    return value + {i}\n" for i in range(30_000)))
    command = [sys.executable, "-m", "localcoder", "calibrate", demo_model, "--text", big, "-o", output]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.01)
    while children[0].cpu_times().user < 2.0:
        time.sleep(0.05)
    return process, children[0]


def test_llama_cpp_stays_out_of_the_commands_own_process(demo_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from localcoder.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False); print('llama_cpp' in sys.modules)"
    )
    arguments = ["calibrate", demo_model, "--text", __file__, "--chunks", 1, "-o", tmp_path / "x.gguf"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


def test_a_processor_that_lacks_an_instruction_ends_the_worker_alone(demo_model: Path, tmp_path: Path) -> None:
    process, child = begun(demo_model, tmp_path / "x.gguf")
    child.send_signal(signal.SIGILL)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "lacks an instruction" in error and len(error.splitlines()) == 2
    assert not (tmp_path / "x.gguf").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_interrupted(demo_model: Path, tmp_path: Path, number: int) -> None:
    process, child = begun(demo_model, tmp_path / "x.gguf")
    process.send_signal(number)
    _, error = process.communicate(timeout=10)
    assert process.returncode == 130 and error.strip() == "localcoder: Interrupted."
    assert not child.is_running() and not (tmp_path / "x.gguf").exists()


async def test_the_engine_serves_on_after_a_calibration_was_cancelled(engine: LocalEngine) -> None:
    ids = (await engine.tokenize(["import os\n" * 60]))[0]
    async with aclosing(engine.calibrate([ids] * 1000)) as events:
        assert await anext(events) == len(ids)
    finished = [event async for event in engine.generate(Request(ids[:20], 3))][-1]
    assert isinstance(finished, Finished) and finished.stats.elapsed_s < 5
    found = [event async for event in engine.calibrate([ids, ids])]
    assert found[:2] == [len(ids), 2 * len(ids)] and len(found) == 2 + 6 * 6
    assert all(isinstance(each, MatrixInputs) and each.rows == 2 * len(ids) for each in found[2:])
    running = asyncio.ensure_future(anext(engine.calibrate([ids * 8] * 100)))
    await asyncio.sleep(0.05)
    await engine.cancel()
    with pytest.raises(LocalcoderError, match="cancelled"):
        await running


def test_an_output_is_no_input(demo_model: Path, tmp_path: Path) -> None:
    code = tmp_path / "a.py"
    code.write_text("x = 1\n")
    done = localcoder("calibrate", demo_model, "--text", tmp_path, code, "-o", code)
    assert done.returncode == 2
    assert code.read_text() == "x = 1\n"


@pytest.mark.parametrize("text", ["nowhere", "{empty}"])
def test_no_code(text: str, demo_model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = localcoder(
        "calibrate", demo_model, "--text", text.format(empty=tmp_path / "empty"), "-o", tmp_path / "x.gguf"
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "x.gguf").exists()


def test_a_model_that_is_cut_off(demo_model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(demo_model.read_bytes()[:-50_000])
    done = localcoder("calibrate", cut, "--text", __file__, "-o", tmp_path / "x.gguf")
    assert done.returncode == 2
    assert "not a whole StarCoder2 model" in done.stderr


def test_prompts_keep_every_character() -> None:
    special = SpecialIds(0, 1, 2, 3, 4, 5, 6)
    sources = [SourceFile(f"{i}.py", f"def f{i}(x):\n    return x + {i}\n") for i in range(6)]
    made = list(prompts(sources, special, lambda text: [100 + ord(c) for c in text], ("plain", "fim", "repo")))
    texts = ["".join(chr(t - 100) for t in prompt if t >= 100) for prompt in made]
    assert texts[0] == sources[0].text
    assert sorted(texts[1]) == sorted(sources[1].text)
    assert texts[2] == f"project2.py\n{sources[2].text}"
    assert made[2][0] == 5
    assert made[1][0] == made[4][0] == 1
    assert made[4][1] == 3, "every other FIM prompt is SPM"
    assert all(prompt[-1] == 0 for prompt in made)
