"""KV cells on disk: found again, bounded, and never given to llama.cpp when they are damaged or foreign."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcoder.engine.api import Request
from localcoder.engine.local import LocalEngine
from localcoder.engine.snapshots import SnapshotStore, model_key
from tests.conftest import ROOT
from tests.engine.test_local import CODE, generate


def store(path: Path, key: str = "model", limit: int = 1 << 20) -> SnapshotStore:
    return SnapshotStore(path, key, limit)


def test_what_was_written_is_found_by_its_prefix(tmp_path: Path) -> None:
    store(tmp_path).write(range(100), 0, b"cells")
    again = store(tmp_path)
    snapshot, saved = again.best([*range(80), 999, 1000], 0)
    assert snapshot and saved == 80 and again.read(snapshot) == bytearray(b"cells")
    assert store(tmp_path, key="another model").best(range(100), 0) == (None, 0)


def test_cells_that_left_the_window_are_not_promised(tmp_path: Path) -> None:
    store(tmp_path).write(range(1000), 800, b"cells")
    again = store(tmp_path)
    assert again.best(range(1001), 200)[1] == 1000
    assert again.best([*range(900), 7], 200)[1] == 0


def test_a_continuation_replaces_what_it_continues(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.write(range(100), 0, b"short")
    kept.write(range(200), 0, b"longer")
    kept.write(range(150), 0, b"known already")
    assert len(list(tmp_path.iterdir())) == 1
    snapshot, _ = kept.best(range(200), 0)
    assert snapshot and kept.read(snapshot) == bytearray(b"longer")


def test_the_oldest_makes_room(tmp_path: Path) -> None:
    kept = store(tmp_path, limit=10_000)
    for i in range(5):
        kept.write([i] * 100, 0, bytes(3000))
        for age, path in enumerate(sorted(tmp_path.iterdir(), key=os.path.getmtime)):
            os.utime(path, (1000 + age, 1000 + age))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000
    assert kept.best([4] * 100, 0)[1] == 99
    assert kept.best([0] * 100, 0)[1] == 0
    kept.write([9] * 100, 0, bytes(20_000))
    assert kept.best([9] * 100, 0)[1] == 0


def test_half_a_file_that_was_left_behind_is_removed_and_until_then_takes_room(tmp_path: Path) -> None:
    left, written = tmp_path / "left.partial", tmp_path / "written.partial"
    left.write_bytes(bytes(5000))
    os.utime(left, (1000, 1000))
    written.write_bytes(bytes(5000))
    kept = store(tmp_path, limit=10_000)
    assert not left.exists() and written.exists()
    for i in range(3):
        kept.write([i] * 100, 0, bytes(2000))
    assert written.exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000
    assert kept.best([2] * 100, 0)[1] == 99


def test_half_a_file_of_a_worker_that_was_killed_while_it_saved(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from localcoder.engine.snapshots import SnapshotStore
os.fsync = lambda fd: os.kill(os.getpid(), 9)
SnapshotStore(Path(sys.argv[1]), "model", 1 << 20).write(range(100), 0, b"cells" * 1000)
"""
    assert subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.stat().st_size > 5000
    os.utime(left, (1000, 1000))
    kept = store(tmp_path)
    assert not left.exists()
    kept.write(range(100), 0, b"cells")
    assert kept.best(range(100), 0)[1] == 99


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "header", "empty"])
def test_a_damaged_file_is_removed_and_never_loaded(tmp_path: Path, damage: str) -> None:
    store(tmp_path).write(range(100), 0, b"cells" * 100)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    match damage:
        case "flip":
            data[-7] ^= 1
        case "cut":
            del data[-9:]
        case "grow":
            data += b"more"
        case "header":
            data[0:3] = b"\xff\xff\xff"
        case "empty":
            data.clear()
    path.write_bytes(data)
    again = store(tmp_path)
    snapshot, _ = again.best(range(100), 0)
    if snapshot is not None:
        assert again.read(snapshot) is None
    assert not path.exists()
    assert again.best(range(100), 0) == (None, 0)


HEADER = b'{"version": 1, "key": "model", "ids": [%s], "first": %s, "size_bytes": %s, "sha256": ""}'
HEADERS = {
    "nested": b"[" * 100_000,
    "infinite id": HEADER % (b"1e999", b"0", b"5"),
    "infinite position": HEADER % (b"1", b"1e999", b"5"),
    "400 digits": HEADER % (b"1", b"0", b"9" * 400),
    "9999 digits": HEADER % (b"1", b"0", b"9" * 9999),
    "too large to read": HEADER % (b"1", b"0", b"%d" % (1 << 60)),
    "a list": b"[1]",
    "a number": b"7",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_may_be_anything(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.kv"
    path.write_bytes(len(HEADERS[name]).to_bytes(8, "little") + HEADERS[name] + b"cells")
    assert store(tmp_path).best(range(100), 0) == (None, 0)
    assert not path.exists()


def test_a_read_only_or_missing_directory_is_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    kept = store(file / "below")
    kept.write(range(100), 0, b"cells")
    assert kept.best(range(100), 0) == (None, 0)


def test_models_are_told_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(bytes(1 << 20))
    two.write_bytes(bytes((1 << 20) - 1) + b"x")
    assert len({model_key(one), model_key(two), model_key(one, "lora")}) == 3
    assert model_key(one) == model_key(one)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_reopening_reads_little_and_says_the_same(demo_model: Path, tmp_path: Path) -> None:
    first = LocalEngine(demo_model, snapshots_dir=tmp_path)
    ids = (await first.tokenize([CODE * 12]))[0]
    assert len(ids) > 600
    before, _ = await generate(first, Request(ids, 10))
    await first.close()
    assert [path.stat().st_mode & 0o077 for path in files_in(tmp_path)] == [0]
    second = LocalEngine(demo_model, snapshots_dir=tmp_path)
    try:
        assert (await second.estimate(ids)).unread == 1
        after, finished = await generate(second, Request(ids, 10))
        assert finished.stats.tokens_read == 1
        assert [t.id for t in after] == [t.id for t in before]
        longer, finished = await generate(second, Request((*ids, *ids[:20]), 3))
        assert finished.stats.tokens_read <= 21 and longer
    finally:
        await second.close()


async def test_damaged_snapshots_cost_only_a_read(demo_model: Path, tmp_path: Path) -> None:
    first = LocalEngine(demo_model, snapshots_dir=tmp_path)
    ids = (await first.tokenize([CODE * 3]))[0]
    await generate(first, Request(ids, 4))
    await first.close()
    for path in files_in(tmp_path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    second = LocalEngine(demo_model, snapshots_dir=tmp_path)
    try:
        _, finished = await generate(second, Request(ids, 4))
        assert finished.stats.tokens_read == len(ids)
    finally:
        await second.close()
