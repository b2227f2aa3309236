"""A full disk, a killed process and a shared folder: what is under the final name is whole, or is not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from converters.convert import GOES_ON, run
from converters.errors import ConvertError
from converters.output import PendingFile, require_space, write_whole
from converters.rows import LocalShards
from converters.unfinished import begin
from tests.converters.driving import plan_recipes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_too_small_is_noticed_before(small_disk: Path, mini: Path) -> None:
    with pytest.raises(ConvertError, match="are needed") as caught:
        list(run(plan_recipes(mini, small_disk, ["F32", "F16"]), LocalShards(mini)))
    assert caught.value.exit_code == 1
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile(small_disk: Path, mini: Path) -> None:
    work = run(plan_recipes(mini, small_disk, ["BF16"]), LocalShards(mini))
    next(work)
    with pytest.raises(OSError, match="No space"), (small_disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))
    with pytest.raises(ConvertError, match="disk is full") as caught:
        list(work)
    left = sorted(path.name for path in small_disk.iterdir())
    assert left in ([".mini-BF16.gguf.journal", ".mini-BF16.gguf.partial", "other"], ["other"])
    assert (GOES_ON in caught.value.todo) == (len(left) == 3)
    (small_disk / "other").unlink()
    list(run(plan_recipes(mini, small_disk, ["BF16"]), LocalShards(mini)))
    assert sorted(path.name for path in small_disk.iterdir()) == ["mini-BF16.gguf", "mini-BF16.gguf.sha256"]


def test_a_disk_that_is_full_when_the_journal_begins(mini: Path, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"")
    with pytest.raises(OSError, match="No space"), (small_disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))
    with pytest.raises(ConvertError, match="disk is full"):
        begin(plan_recipes(mini, small_disk, ["BF16"]), LocalShards(mini))
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_space_is_counted_by_disk(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    require_space([(tmp_path / "a", 1000), (tmp_path / "not" / "yet" / "b", 1000)])
    with pytest.raises(ConvertError, match="are needed"):
        require_space([(tmp_path / "a", free // 2 + 10**9), (tmp_path / "b", free // 2 + 10**9)])


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(mini: Path, tmp_path: Path) -> None:
    old = tmp_path / "mini-Q8_0.gguf"
    old.write_bytes(b"old")
    work = run(plan_recipes(mini, tmp_path, ["Q8_0"]), LocalShards(mini))
    next(work)
    work.close()
    assert old.read_bytes() == b"old"
    list(run(plan_recipes(mini, tmp_path, ["Q8_0"]), LocalShards(mini)))
    assert old.read_bytes()[:4] == b"GGUF"


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
def test_a_link_in_place_of_the_hidden_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    (tmp_path / ".a.gguf.partial").symlink_to(precious)
    with pytest.raises(ConvertError):
        PendingFile(tmp_path / "a.gguf", 10)
    assert precious.read_text() == "x"


def test_a_file_is_hashed_while_its_parts_arrive_out_of_order(tmp_path: Path) -> None:
    file, data = PendingFile(tmp_path / "a.gguf", 30 << 20), os.urandom(29 << 20)
    file.write_at(20 << 20, data[20 << 20 :])
    assert not file.hash_along() and file.hashed_bytes == 0
    file.write_at(0, data[: 5 << 20])
    assert file.hash_along() and file.hashed_bytes == 5 << 20
    assert not file.hash_along()
    file.write_at(5 << 20, data[5 << 20 : 20 << 20])
    file.mark_final(29 << 20, 30 << 20)
    while file.hash_along():
        pass
    assert file.hashed_bytes == 30 << 20
    digest = hashlib.sha256(data + bytes(1 << 20)).hexdigest()
    assert file.commit() == digest == hashlib.sha256((tmp_path / "a.gguf").read_bytes()).hexdigest()
    assert (tmp_path / "a.gguf.sha256").read_text() == f"{digest}  a.gguf\n"


def test_a_file_with_a_hole_gets_no_name(tmp_path: Path) -> None:
    file = PendingFile(tmp_path / "a.gguf", 100)
    file.write_at(0, bytes(40))
    file.write_at(60, bytes(40))
    with pytest.raises(AssertionError, match="byte 40 "):
        file.commit()
    file.discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(mini: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConvertError, match="Permission"):
        list(run(plan_recipes(mini, tmp_path / "x", ["Q8_0"]), LocalShards(mini)))


def test_an_output_below_a_file(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConvertError) as caught:
        list(run(plan_recipes(mini, tmp_path / "file" / "x", ["Q8_0"]), LocalShards(mini)))
    assert caught.value.exit_code == 2
    with pytest.raises(ConvertError):
        write_whole(tmp_path / "file" / "x", b"")
