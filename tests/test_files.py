"""Whatever happens while a file is written, its name leads to the old bytes or to the new ones, and nothing is left."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcoder.files import partial_of, publish, reason, replacing, write_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions, links and limits of POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond this; the write that would fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_bytes_and_text_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_file(path, b"\x00\xff\r\n")
    assert path.read_bytes() == b"\x00\xff\r\n"
    write_file(path, "é\r\nb\n")
    assert path.read_bytes() == b"\xc3\xa9\r\nb\n"
    assert names(tmp_path) == ["a.txt"]


def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with umask(0o027):
        write_file(path, b"1")
        assert mode_of(path) == 0o640
        path.chmod(0o755)
        write_file(path, b"2")
        assert mode_of(path) == 0o755
        write_file(path, b"3", mode=0o600)
        write_file(tmp_path / "b", b"4", mode=0o600)
    assert mode_of(path) == mode_of(tmp_path / "b") == 0o600


def test_nobody_else_can_read_a_private_file_while_it_is_written(tmp_path: Path) -> None:
    with umask(0), replacing(tmp_path / "a", mode=0o600) as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o604)
    link.symlink_to("real/a")
    write_file(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new" and mode_of(target) == 0o604
    dangling = tmp_path / "dangling"
    dangling.symlink_to("real/b")
    write_file(dangling, b"b")
    assert dangling.is_symlink() and (tmp_path / "real" / "b").read_bytes() == b"b"
    assert names(tmp_path / "real") == ["a", "b"]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    circle, pipe = tmp_path / "circle", tmp_path / "pipe"
    circle.symlink_to(circle)
    os.mkfifo(pipe)
    for path in (circle, pipe, tmp_path, tmp_path / "missing" / "a"):
        with pytest.raises(OSError):
            write_file(path, b"x")
    assert circle.is_symlink() and pipe.is_fifo()
    assert names(tmp_path) == ["circle", "pipe"]


@pytest.mark.parametrize("size", [8000, 5_000_000], ids=["fails in the flush", "fails in the write"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with file_size_limit(4096), pytest.raises(OSError, match="too large"):
        write_file(path, bytes(size))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "a"
    write_file(path, b"old")
    with pytest.raises(OSError, match="No space"):
        write_file(path, bytes(2_000_000))
    assert path.read_bytes() == b"old"
    assert names(small_disk) == ["a"]
    write_file(path, bytes(400_000))


def test_an_exception_and_an_interrupt_in_the_block(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    for error in (ValueError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error), replacing(path) as file:
            file.write(b"half")
            raise error
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == ["a"]


def test_half_a_surrogate_pair_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(UnicodeEncodeError):
        write_file(path, "\ud800")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path, beside = tmp_path / "a", tmp_path / ".a.partial"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from localcoder.files import replacing\n"
        "with replacing(Path(sys.argv[1]), beside=Path(sys.argv[2])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), str(beside)])
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert beside.read_bytes() == b"half"
    with replacing(path, beside=beside) as file:
        file.write(b"n")
    assert path.read_bytes() == b"n"
    assert names(tmp_path) == ["a"]


def test_a_link_in_place_of_the_hidden_file_is_not_followed(tmp_path: Path) -> None:
    precious, beside = tmp_path / "precious", tmp_path / ".a.partial"
    precious.write_bytes(b"x")
    beside.symlink_to(precious)
    with replacing(tmp_path / "a", beside=beside) as file:
        file.write(b"y")
    assert precious.read_bytes() == b"x"
    assert not (tmp_path / "a").is_symlink() and (tmp_path / "a").read_bytes() == b"y"


def test_many_writers_at_once(tmp_path: Path) -> None:
    path, failures = tmp_path / "a", list[BaseException]()

    def work(byte: bytes) -> None:
        try:
            for _ in range(20):
                write_file(path, byte * 100_000)
                content = path.read_bytes()
                assert len(content) == 100_000 and len(set(content)) == 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(byte,)) for byte in (b"1", b"2", b"3", b"4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(tmp_path) == ["a"]


def test_bytes_then_name_then_folder_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append("folder" if os.path.samestat(os.fstat(descriptor), tmp_path.stat()) else "bytes")
        sync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    write_file(tmp_path / "a", b"x")
    (tmp_path / "b.part").write_bytes(b"y")
    publish(tmp_path / "b.part", tmp_path / "b")
    assert steps == ["bytes", "name", "folder"] * 2
    assert (tmp_path / "b").read_bytes() == b"y"
    assert names(tmp_path) == ["a", "b"]


def test_the_hidden_name_is_beside_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/a")
    assert partial_of(tmp_path / "link") == tmp_path / "real" / ".a.partial"
    with replacing(tmp_path / "link", beside=partial_of(tmp_path / "link")) as file:
        assert names(tmp_path / "real") == [".a.partial"]
        file.write(b"new")
    assert (tmp_path / "real" / "a").read_bytes() == b"new"


def test_reasons_are_words() -> None:
    assert reason(OSError(errno.ENOSPC, "No space left on device")) == "the disk is full"
    assert reason(PermissionError(errno.EACCES, "Permission denied")) == "Permission denied"
    assert reason(OSError("Consistency check failed.\nSize is 3.")) == "Consistency check failed"
    assert reason(OSError()) == "OSError"
