"""Whatever a repository or a disk is like, the index is right, or says that it is not there."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from localcoder.errors import LocalcoderError
from localcoder.progress import finish
from localcoder.repository import index as index_module
from localcoder.repository import store as store_module
from localcoder.repository.background import update_in_background
from localcoder.repository.index import Index
from tests.repository.comparing import assert_as_fresh, contents

FILES = int(os.environ.get("INDEX_FILES", "20000"))
"""Of a large repository. With 100,000 the test takes half a minute."""


def make(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"import m{number}\n\n\ndef f{number}():\n    return 'word{number}'\n")
    return root


def many(root: Path, count: int) -> Path:
    return make(root, *(f"d{number % 7}/f{number}.py" for number in range(count)))


def names(root: Path, folder: Path) -> list[str]:
    with Index(root, folder=folder) as index:
        finish(index.update())
        return list(map(str, index.names()))


def test_very_many_files(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in range(FILES // 1000):
        (root / f"d{number}").mkdir(parents=True)
        # A file system allows 65,000 names for one file.
        first = root / f"d{number}/f0.rst"
        first.write_text("")
        for other in range(1, 1000):
            os.link(first, root / f"d{number}/f{other}.rst")
    with Index(root, folder=tmp_path / "indexes") as index:
        work = index.update()
        assert next(work).total == FILES
        work.close()
        assert finish(index.update()).files == FILES == len(index.names())
        (root / "d3/f4.rst").unlink()
        done = finish(index.update())
        assert (done.files, done.taken_in, done.taken_out) == (FILES - 1, 0, 1)


def test_a_file_of_50_mb(tmp_path: Path) -> None:
    root = make(tmp_path / "root", "small.py")
    with (root / "large.py").open("w") as file:
        for _ in range(50):
            file.write("def large(): pass\n" * (1_000_000 // 18))
    with Index(root, folder=tmp_path / "indexes") as index:
        assert finish(index.update()).files == 1
        assert not index.update_file(root / "large.py")
        (root / "small.py").write_bytes((root / "large.py").read_bytes()[: 2 << 20])
        assert index.update_file(root / "small.py") and index.names() == ()
        assert not index.definitions("large")


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    root = make(tmp_path / "root", "a/b.py")
    (root / "a/up").symlink_to(root)
    (root / "self.py").symlink_to(root / "self.py")
    (root / "again.py").symlink_to(root / "a/b.py")
    make(tmp_path, "secret.py")
    (root / "out.py").symlink_to(tmp_path / "secret.py")
    assert names(root, tmp_path / "indexes") == ["a/b.py"]
    with Index(root, folder=tmp_path / "indexes") as index:
        assert not any(index.update_file(root / name) for name in ("self.py", "again.py", "out.py", "a/up/a/b.py"))
        # What was a file and is a link now.
        (root / "a/b.py").unlink()
        (root / "a/b.py").symlink_to(tmp_path / "secret.py")
        assert index.update_file(root / "a/b.py") and index.names() == ()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = make(tmp_path / "root", "a.py", os.fsdecode(b"\xff\xfe/\xe9.py"), "new\nline.py", "ä ö.py")
    with Index(root, folder=tmp_path / "indexes") as index:
        finish(index.update())
        strange = PurePosixPath(os.fsdecode(b"\xff\xfe/\xe9.py"))
        assert [each.path for each in index.definitions("f1")] == [strange]
        assert [each.path for each in index.search("word1")] == [strange]
        (root / strange).write_text("def saved(): pass\n")
        assert index.update_file(root / strange) and index.definitions("saved")
        assert_as_fresh(index, tmp_path / "fresh")
    assert finish(update_in_background(root, folder=tmp_path / "indexes")).files == 4


def test_files_and_folders_that_go_while_they_are_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_BATCH_S", 0.0)
    root = many(tmp_path / "root", 40)
    with Index(root, folder=tmp_path / "indexes") as index:
        for number, _ in enumerate(index.update()):
            (root / f"d{number % 7}/f{number}.py").unlink(missing_ok=True)
            if number == 20:
                shutil.rmtree(root / "d3")
                shutil.rmtree(root / "d4")
            if number == 39:
                make(root, "d3", "d4/f0.py")
        finish(index.update())
        assert_as_fresh(index, tmp_path / "fresh")
        work = index.update()
        make(root, "more.py")
        next(work)
        shutil.rmtree(root)
        list(work)
        finish(index.update())
        assert index.names() == ()
        with pytest.raises(LocalcoderError, match="There is no folder"):
            Index(root, folder=tmp_path / "indexes")


def test_a_file_saved_while_it_is_indexed_is_the_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "root", "a.py", "b.py")
    with Index(root, folder=tmp_path / "indexes") as index, Index(root, folder=tmp_path / "indexes") as other:
        work = index.update()
        for _ in range(2):
            next(work)
        # The first was read, and is not yet written.
        for name in ("a.py", "b.py"):
            (root / name).write_text("def saved(): pass\n")
            assert other.update_file(root / name)
        list(work)
        assert len(index.definitions("saved")) == 2 and not index.definitions("f0") and not index.definitions("f1")


def test_two_processes_at_once(tmp_path: Path) -> None:
    root = many(tmp_path / "root", 300)
    done = []
    folder = tmp_path / "indexes"
    threads = [
        threading.Thread(target=lambda: done.append(finish(update_in_background(root, folder=folder)))) for _ in "123"
    ]
    for thread in threads:
        thread.start()
    with Index(root, folder=folder) as index:
        for number in range(300):
            index.update_file(root / f"d{number % 7}/f{number}.py")
            index.search("word7 word8")
        for thread in threads:
            thread.join()
        assert [each.files for each in done] == [300] * 3
        assert_as_fresh(index, tmp_path / "fresh")


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    root = many(tmp_path / "root", 300)
    code = (
        "import os, signal, sys; from pathlib import Path; import localcoder.repository.index as m; m._BATCH_S = 0.0\n"
        "for event in m.Index(Path(sys.argv[1]), folder=Path(sys.argv[2])).update():\n"
        "    event.done == int(sys.argv[3]) and os.kill(os.getpid(), signal.SIGKILL)"
    )
    for number in (1, 150, 299):
        command = [sys.executable, "-c", code, str(root), str(tmp_path / "indexes"), str(number)]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        with Index(root, folder=tmp_path / "indexes") as index:
            assert not index.is_complete
            if number > 1:
                assert index.names()
    with Index(root, folder=tmp_path / "indexes") as index:
        finish(index.update())
        assert_as_fresh(index, tmp_path / "fresh")


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("way", ["git", "no git"])
def test_a_submodule_a_worktree_and_no_git(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("main", "sub"):
        make(tmp_path / name, f"{name}.py", "out/built.py")
        (tmp_path / name / ".gitignore").write_text("out/\n")
        _git(tmp_path / name, "init")
        _git(tmp_path / name, "add", ".")
        _git(tmp_path / name, "commit", "-m", name)
    _git(tmp_path / "main", "submodule", "add", str(tmp_path / "sub"), "lib")
    _git(tmp_path / "main", "worktree", "add", str(tmp_path / "tree"))
    if way == "no git":
        monkeypatch.setenv("PATH", "")
    assert names(tmp_path / "main", tmp_path / "indexes") == ["lib/sub.py", "main.py"]
    assert names(tmp_path / "main/lib", tmp_path / "indexes") == ["sub.py"]
    assert names(tmp_path / "tree", tmp_path / "indexes") == ["main.py"]


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database " * 1000)


def _shorter(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _zeros(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(bytes(4096 * 4))


def _noise(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 4)
        file.write(random.Random(0).randbytes(4096 * 6))


def _gone(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [_garbage, _shorter, _zeros, _noise, _gone, _empty]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("is_open", [False, True], ids=["shut", "open"])
def test_a_damaged_index_is_made_anew(damage: Callable[[Path], None], is_open: bool, tmp_path: Path) -> None:
    root = many(tmp_path / "root", 60)
    index = Index(root, folder=tmp_path / "indexes")
    finish(index.update())
    index.close()
    (path,) = (tmp_path / "indexes").glob("*.sqlite")
    if is_open:
        index = Index(root, folder=tmp_path / "indexes")
        damage(path)
    else:
        damage(path)
        index = Index(root, folder=tmp_path / "indexes")
    # Whoever asks gets an answer, though perhaps an empty one.
    index.search("word7"), index.definitions("f7"), index.names()
    index.update_file(root / "d0/f7.py")
    finish(index.update())
    assert_as_fresh(index, tmp_path / "fresh")
    index.close()


def test_an_index_of_another_version_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = many(tmp_path / "root", 10)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_VERSION", 999)
        assert len(names(root, tmp_path / "indexes")) == 10
    with Index(root, folder=tmp_path / "indexes") as index:
        assert not index.is_complete and index.names() == ()
        finish(index.update())
        assert_as_fresh(index, tmp_path / "fresh")


def test_an_index_that_another_process_made_anew_is_opened_again(tmp_path: Path) -> None:
    root = many(tmp_path / "root", 10)
    with Index(root, folder=tmp_path / "indexes") as index:
        finish(index.update())
        for path in (tmp_path / "indexes").glob("*.sqlite*"):
            path.unlink()
        with Index(root, folder=tmp_path / "indexes") as other:
            (root / "new.py").write_text("def new(): pass\n")
            finish(other.update())
        assert index.definitions("new")
        assert contents(index)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_disk_that_cannot_be_written() -> None:
    # Who is not root may not go through the folders that tests have otherwise.
    tmp_path = Path(tempfile.mkdtemp())
    root = many(tmp_path / "root", 10)
    assert len(names(root, tmp_path / "indexes")) == 10
    (tmp_path / "empty").mkdir()
    # Root may write everything.
    code = f"""
import os
from pathlib import Path
from localcoder.errors import LocalcoderError
from localcoder.progress import finish
from localcoder.repository.index import Index
from localcoder.repository.taken import read
read(Path("a.py"), b"x = 1")  # What Python imports for that it may not read later.
os.chdir({str(tmp_path)!r})
os.getuid() == 0 and os.setuid(65534)
def told(work):
    try:
        return work()
    except LocalcoderError as error:
        return error.what and error.todo and "told"
print(told(lambda: Index(Path("root"), folder=Path("empty").absolute())))
print(told(lambda: Index(Path("root"), folder=Path("empty/deeper").absolute())))
index = Index(Path("root"), folder=Path("indexes").absolute())
print(len(index.names()), len(index.search("word7")), index.is_complete)
print(told(lambda: finish(index.update())), told(lambda: index.update_file(Path("d0/f7.py"))))
with Index(Path("root"), folder=Path("free").absolute()) as other:
    print(finish(other.update()).files)
"""
    for path in (root, *root.rglob("*"), tmp_path / "indexes", *(tmp_path / "indexes").iterdir(), tmp_path / "empty"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    tmp_path.chmod(0o755)
    (tmp_path / "free").mkdir(mode=0o777)
    (tmp_path / "free").chmod(0o777)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    shutil.rmtree(tmp_path)
    assert run.stdout.splitlines() == ["told", "told", "10 1 True", "told told", "10"], run.stderr


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
def test_a_full_disk(tmp_path: Path) -> None:
    root = many(tmp_path / "root", 200)
    code = """
import resource, signal, sys
from pathlib import Path
from localcoder.errors import LocalcoderError
from localcoder.progress import finish
from localcoder.repository.index import Index
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index = Index(Path(sys.argv[1]), folder=Path(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
try:
    finish(index.update())
except LocalcoderError as error:
    print(error.what and error.todo and "told")
"""
    command = [sys.executable, "-c", code, str(root), str(tmp_path / "indexes")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.stdout == "told\n", run.stderr
    with Index(root, folder=tmp_path / "indexes") as index:
        finish(index.update())
        assert_as_fresh(index, tmp_path / "fresh")
