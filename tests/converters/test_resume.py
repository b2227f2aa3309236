"""An interrupted conversion is gone on with, and comes out to the byte as one that nothing interrupted."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from converters import tally, unfinished
from converters.convert import run
from converters.errors import ConvertError
from converters.imatrix import imatrix_bytes
from converters.journal import journal_path
from converters.output import PendingFile, partial_path
from converters.plan import ConversionPlan, PlannedTensor
from converters.rows import LocalShards
from tests.converters.checkpoints import MiniShape, Values, write_checkpoint
from tests.converters.driving import convert, plan_recipes

SHAPE = MiniShape(layers=6)
TYPE, NAME = "Q4_K_M", "c-Q4_K_M.gguf"


@pytest.fixture(autouse=True)
def events_after_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small conversion can be stopped anywhere."""
    monkeypatch.setattr(tally, "_EVENT_S", 0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough to be interrupted in the middle, in three shards."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "c", SHAPE, dtype="BF16", shards=3)


@pytest.fixture(scope="module")
def whole(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two outputs that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    convert(checkpoint, out, TYPE, "Q8_0")
    return out


def interrupt(plan: ConversionPlan, checkpoint: Path, tensors: int = 12) -> None:
    """Convert with one thread until so many tensors are noted, and stop as Ctrl+C does."""
    work = run(plan, LocalShards(checkpoint), 1)
    for _ in work:
        if all(len(journal_path(file.path).read_bytes().splitlines()) > tensors for file in plan.files):
            break
    else:
        pytest.fail("it ended before it could be interrupted")
    work.close()
    assert unfinished.left_over(plan) == [partial_path(file.path) for file in plan.files]


def same(out: Path, whole: Path, *names: str) -> bool:
    return all((out / name).read_bytes() == (whole / name).read_bytes() for name in names)


KILLED = """
import sys
from pathlib import Path
from converters.convert import run
from converters.rows import LocalShards
from tests.converters.driving import finish, plan_recipes
checkpoint, out, *types = sys.argv[1:]
plan = plan_recipes(Path(checkpoint), Path(out), types)
print("ready", flush=True)
finish(run(plan, LocalShards(Path(checkpoint)), 1))
"""


def kill(checkpoint: Path, out: Path, after_s: float, *types: str, lines: int = 0) -> bool:
    """Convert in a process that is killed, when the journals have so many lines; false if it ended before."""
    command = [sys.executable, "-c", KILLED, str(checkpoint), str(out), *types]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        while noted(out) < lines and process.poll() is None:
            time.sleep(0.001)
        time.sleep(after_s)
        process.kill()
        return process.wait() != 0


def noted(out: Path) -> int:
    """Lines in all journals."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob(".*.journal"))


def test_killed_at_any_moment(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    plan = plan_recipes(checkpoint, tmp_path / "timed", [TYPE])
    list(run(plan, LocalShards(checkpoint), 1))
    duration = time.monotonic() - start
    rng, kept = random.Random(time.time_ns()), 0
    for number in range(4):
        out = tmp_path / str(number)
        after_s = rng.uniform(0, duration)
        if kill(checkpoint, out, after_s, TYPE):
            kept += len(list(out.glob(".*.journal")))
        convert(checkpoint, out, TYPE)
        assert same(out, whole, NAME, f"{NAME}.sha256"), after_s
        assert len(list(out.iterdir())) == 2
    assert kept


def test_killed_again_and_again(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    before = 4
    for _ in range(3):
        if not kill(checkpoint, tmp_path, 0.0, TYPE, "Q8_0", lines=before + 20):
            break
        assert noted(tmp_path) > before
        before = noted(tmp_path)
    assert before > 20
    convert(checkpoint, tmp_path, TYPE, "Q8_0")
    assert same(tmp_path, whole, NAME, "c-Q8_0.gguf")
    assert len(list(tmp_path.iterdir())) == 4


def test_what_was_finished_is_not_made_again(
    checkpoint: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    interrupt(plan, checkpoint)
    lines = journal_path(plan.files[0].path).read_text().splitlines()[1:]
    listed = {line.split("  ")[1] for line in lines}
    assert made(monkeypatch, plan, checkpoint).isdisjoint(listed)
    assert same(tmp_path, whole, NAME)


def made(monkeypatch: pytest.MonkeyPatch, plan: ConversionPlan, checkpoint: Path) -> set[str]:
    """Convert to the end; returns the GGUF names of the tensors that were made."""
    from converters import blocks

    found: set[str] = set()
    quantize = blocks._quantize

    def spy(tensor: PlannedTensor, *arguments: object) -> object:
        found.add(tensor.name)
        return quantize(tensor, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "_quantize", spy)
        for _ in run(plan, LocalShards(checkpoint)):
            pass
    names = [file.path.name + end for file in plan.files for end in ("", ".sha256")]
    assert sorted(path.name for path in plan.files[0].path.parent.iterdir()) == sorted(names)
    return found


def test_a_damaged_tensor_is_made_again_and_it_alone(
    checkpoint: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    interrupt(plan, checkpoint)
    file = plan.files[0]
    lines = journal_path(file.path).read_text().splitlines()[1:]
    listed = {line.split("  ")[1] for line in lines}
    damaged = max((t for t in file.tensors if t.name in listed), key=lambda tensor: tensor.size_bytes)
    with partial_path(file.path).open("r+b") as data:
        for place in (4, len(file.header) - 1, damaged.offset + damaged.size_bytes // 2):
            data.seek(place)
            byte = data.read(1)[0]
            data.seek(place)
            data.write(bytes([byte ^ 16]))
    assert made(monkeypatch, plan, checkpoint) & listed == {damaged.name}
    assert same(tmp_path, whole, NAME)


def test_bytes_between_the_tensors_are_not_trusted(tmp_path: Path) -> None:
    odd = write_checkpoint(tmp_path / "c", MiniShape(hidden=272, heads=4, kv_heads=2), dtype="F32")
    plan = plan_recipes(odd, tmp_path / "out", ["F32", "F16"])
    convert(odd, tmp_path / "whole", "F32", "F16")
    interrupt(plan, odd, 3)
    for file in plan.files:
        with partial_path(file.path).open("r+b") as data:
            for tensor in file.tensors:
                if padding := -tensor.size_bytes % 32:
                    data.seek(tensor.offset + tensor.size_bytes)
                    data.write(b"x" * padding)
    for _ in run(plan, LocalShards(odd)):
        pass
    assert same(tmp_path / "out", tmp_path / "whole", "c-F32.gguf", "c-F16.gguf")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:30],
        lambda data: data[:-20],
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"\n", b"\nnonsense\n", 2),
        lambda data: data[:200] + bytes(100) + data[300:],
        lambda data: data + data[-40:],
        lambda data: data.replace(b"attn_q", b"attn_k"),
        lambda data: os.urandom(len(data)),
    ],
)
def test_a_damaged_journal(damage: Callable[[bytes], bytes], checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    interrupt(plan, checkpoint, 6)
    journal = journal_path(plan.files[0].path)
    journal.write_bytes(damage(journal.read_bytes()))
    convert(checkpoint, tmp_path, TYPE)
    assert same(tmp_path, whole, NAME)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("size", [0, 1000, -1, 1])
def test_a_partial_file_of_another_size(
    size: int, checkpoint: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    interrupt(plan, checkpoint, 6)
    partial = partial_path(plan.files[0].path)
    os.truncate(partial, size if size > 1 else partial.stat().st_size + size if size else 0)
    assert "token_embd.weight" in made(monkeypatch, plan, checkpoint)
    assert same(tmp_path, whole, NAME)


def test_a_checkpoint_that_changed_in_between(tmp_path: Path) -> None:
    """The other checkpoint has the same names, sizes and time of change."""

    def add(tensors: dict[str, Values]) -> None:
        for values in tensors.values():
            values += 0.25

    first = write_checkpoint(tmp_path / "c", SHAPE, dtype="BF16")
    other = write_checkpoint(tmp_path / "other" / "c", SHAPE, dtype="BF16", edit=add)
    convert(other, tmp_path / "whole", TYPE)
    plan = plan_recipes(first, tmp_path / "out", [TYPE])
    interrupt(plan, first)
    weights = first / "model.safetensors"
    before = weights.stat()
    shutil.copy(other / "model.safetensors", weights)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    convert(first, tmp_path / "out", TYPE)
    assert same(tmp_path / "out", tmp_path / "whole", NAME)


def test_a_value_that_changed_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_checkpoint(tmp_path / "c", SHAPE, dtype="BF16")
    plan = plan_recipes(path, tmp_path / "out", [TYPE])
    interrupt(plan, path)
    with (path / "model.safetensors").open("r+b") as file:
        file.seek(plan.files[0].tensors[0].source.offset + 100)
        file.write(b"\x00")
    assert "token_embd.weight" in made(monkeypatch, plan, path)


def test_another_request_for_the_same_file(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    sums = {f"blk.{i}.attn_q.weight": np.arange(1, 257, dtype=np.float64) for i in range(6)}
    (tmp_path / "imatrix").write_bytes(imatrix_bytes(sums, dict.fromkeys(sums, 7), ["x"], 1, 512))
    convert(checkpoint, tmp_path / "with.gguf", TYPE, imatrix=tmp_path / "imatrix")
    wanted = (tmp_path / "with.gguf").read_bytes()
    assert wanted != (whole / NAME).read_bytes()
    for other in ("Q4_K_M", "Q4_K_S"):
        interrupt(plan_recipes(checkpoint, out, [other]), checkpoint, 3)
        convert(checkpoint, out, TYPE, imatrix=tmp_path / "imatrix")
        assert out.read_bytes() == wanted


def test_another_version_of_the_program(
    checkpoint: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "program_digest", lambda: b"older")
        interrupt(plan, checkpoint)
    assert "token_embd.weight" in made(monkeypatch, plan, checkpoint)
    assert same(tmp_path, whole, NAME)


def test_one_of_two_outputs_can_be_gone_on_with(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    interrupt(plan_recipes(checkpoint, tmp_path, [TYPE, "Q8_0"]), checkpoint)
    convert(checkpoint, tmp_path, "Q8_0")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f".{NAME}.journal",
        f".{NAME}.partial",
        "c-Q8_0.gguf",
        "c-Q8_0.gguf.sha256",
    ]
    convert(checkpoint, tmp_path, TYPE, "Q8_0")
    assert same(tmp_path, whole, NAME, "c-Q8_0.gguf")
    assert len(list(tmp_path.iterdir())) == 4


def test_a_shard_of_which_nothing_is_needed_is_not_opened(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    class Watched(LocalShards):
        opened: Sequence[str] = ()

        def open(self, shard: str) -> AbstractContextManager[Path]:
            self.opened = [*self.opened, shard]
            return super().open(shard)

    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    first = min(tensor.source.shard for tensor in plan.files[0].tensors)
    interrupt(plan, checkpoint, sum(tensor.source.shard == first for tensor in plan.files[0].tensors))
    shards = Watched(checkpoint)
    for _ in run(plan, shards):
        pass
    assert len(shards.opened) < 3 and first not in shards.opened
    assert same(tmp_path, whole, NAME)


def test_interrupted_while_it_checks_it_keeps_everything(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    interrupt(plan, checkpoint)
    before = journal_path(plan.files[0].path).read_bytes()
    work = run(plan, LocalShards(checkpoint))
    assert next(work).stage == "resume"
    work.close()
    assert journal_path(plan.files[0].path).read_bytes() == before
    convert(checkpoint, tmp_path, TYPE)
    assert same(tmp_path, whole, NAME)


def test_a_user_error_leaves_nothing_of_an_earlier_run_either(tmp_path: Path) -> None:
    def spoil(tensors: dict[str, Values]) -> None:
        tensors["model.layers.5.self_attn.v_proj.weight"][3, 7] = np.nan

    path = write_checkpoint(tmp_path / "c", SHAPE, dtype="BF16", edit=spoil)
    interrupt(plan_recipes(path, tmp_path / "out", [TYPE]), path, 4)
    with pytest.raises(ConvertError, match="NaN"):
        convert(path, tmp_path / "out", TYPE)
    assert list((tmp_path / "out").iterdir()) == []


def test_while_another_run_writes_what_it_has_stays(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    interrupt(plan, checkpoint)
    held = PendingFile(plan.files[0].path, plan.files[0].size_bytes, keep=True)
    before = journal_path(plan.files[0].path).read_bytes()
    with pytest.raises(ConvertError, match="another run"):
        convert(checkpoint, tmp_path, "Q8_0", TYPE)
    assert journal_path(plan.files[0].path).read_bytes() == before
    assert not list(tmp_path.glob(".c-Q8_0*"))
    held.close()
    convert(checkpoint, tmp_path, TYPE)
    assert same(tmp_path, whole, NAME)


def test_stopped_before_anything_is_whole_it_leaves_nothing(checkpoint: Path, tmp_path: Path) -> None:
    plan = plan_recipes(checkpoint, tmp_path, [TYPE])
    (file,) = unfinished.begin(plan, LocalShards(checkpoint))
    assert len(list(tmp_path.iterdir())) == 2
    file.leave()
    assert list(tmp_path.iterdir()) == []


def test_two_processes_to_one_file(checkpoint: Path, whole: Path, tmp_path: Path) -> None:
    """Whoever comes second is told so, or takes its turn; neither leaves another file than a single one would."""
    command = [sys.executable, "-c", KILLED, str(checkpoint), str(tmp_path), TYPE]
    root = Path(__file__).parents[2]
    both = [subprocess.Popen(command, cwd=root, text=True, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes
    assert all("is being written by another run" in error for error, code in zip(errors, codes, strict=True) if code)
    assert same(tmp_path, whole, NAME, f"{NAME}.sha256")
    assert len(list(tmp_path.iterdir())) == 2
