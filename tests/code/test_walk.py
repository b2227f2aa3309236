"""The files of code in a folder: what is taken, what is left out, and that nothing in a folder stops it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localcoder.code import walk
from localcoder.code.languages import LANGUAGES, Language
from localcoder.code.walk import MAX_FILE_BYTES, SourceFile, code_files, files_below, find_sources, read_code
from localcoder.errors import LocalcoderError


def make(folder: Path, *names: str, text: str = "x = 1\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def names_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in code_files(folder)]


def test_sources_are_code_and_nothing_hidden(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b/c.rs", "b/D.R", ".git/x.py", "b/.y.py", "pic.png", "b/node_modules/y.js", "venv/z.py")
    make(tmp_path, "empty.py", text=" \n")
    make(tmp_path, "blob.py", text="x = 1\0")
    assert find_sources([tmp_path]) == [SourceFile(name, "x = 1\n") for name in ("a.py", "b/D.R", "b/c.rs")]
    assert find_sources([tmp_path / "pic.png"]) == [SourceFile("pic.png", "x = 1\n")], "named, whatever it is called"
    assert [source.name for source in find_sources([tmp_path / "b", tmp_path / "b/c.rs"])] == ["D.R", "c.rs"]


def test_what_others_wrote_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "vendor/b.go", "env/pyvenv.cfg", "env/lib/c.py", "lib/site-packages/d.py", "third_party/e.c")
    assert names_in(tmp_path) == ["a.py"]
    assert names_in(tmp_path / "env") == ["lib/c.py"], "it was named"


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_each_language_is_code(language: Language, tmp_path: Path) -> None:
    make(tmp_path, *(f"a{suffix}" for suffix in language.suffixes))
    assert {Path(name).suffix for name in names_in(tmp_path)} == {*language.suffixes}


def test_a_large_file_was_not_written_by_hand(tmp_path: Path) -> None:
    make(tmp_path, "most.py", text="#" * MAX_FILE_BYTES)
    make(tmp_path, "more.py", text="#" * (MAX_FILE_BYTES + 1))
    assert names_in(tmp_path) == ["most.py"]


def test_links_are_not_gone_into_and_a_circle_of_them_ends(tmp_path: Path) -> None:
    make(tmp_path, "code/a.py", "elsewhere/b.py")
    (tmp_path / "code/back").symlink_to(tmp_path)
    (tmp_path / "code/away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "code/itself.py").symlink_to(tmp_path / "code/itself.py")
    (tmp_path / "code/nothing.py").symlink_to(tmp_path / "nothing.py")
    (tmp_path / "code/other.py").symlink_to(tmp_path / "elsewhere/b.py")
    (tmp_path / "named").symlink_to(tmp_path / "code")
    assert names_in(tmp_path / "code") == names_in(tmp_path / "named") == ["a.py", "other.py"]


@pytest.mark.skipif(os.name != "posix", reason="pipes with names are POSIX's")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "folder.py/b.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert names_in(tmp_path) == ["a.py", "folder.py/b.py"]


def test_what_goes_while_it_is_looked_at_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.py", "b.py", "c/d.py")
    seen: list[Path] = []

    def is_small(path: Path) -> bool:
        seen.append(path)
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        return True

    def read(path: Path) -> str:
        (tmp_path / "b.py").unlink(missing_ok=True)
        return read_code(path)

    monkeypatch.setattr(walk, "_is_small_file", is_small)
    monkeypatch.setattr(walk, "read_code", read)
    assert [source.name for source in find_sources([tmp_path])] == ["a.py"]
    assert len(seen) == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "shut.py", "closed/b.py")
    # Root may read everything, and who is not root may not go through the folders above.
    code = (
        "import os; from pathlib import Path; from localcoder.code.walk import find_sources; "
        f"os.chdir({str(tmp_path)!r}); os.getuid() == 0 and os.setuid(65534); "
        "print([source.name for source in find_sources([Path()])]); find_sources([Path('shut.py')])"
    )
    for path, mode in ((tmp_path, 0o755), (tmp_path / "shut.py", 0), (tmp_path / "closed", 0)):
        path.chmod(mode)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    (tmp_path / "closed").chmod(0o755)
    assert run.stdout == "['a.py']\n", run.stderr
    assert "LocalcoderError: shut.py: Permission denied." in run.stderr


def test_a_name_that_is_not_there_is_told(tmp_path: Path) -> None:
    for named, what in ((tmp_path / "nothing", "No such file"), (tmp_path, "no code")):
        with pytest.raises(LocalcoderError, match=what) as caught:
            find_sources([named])
        assert caught.value.exit_code == 2 and caught.value.todo


def test_files_of_any_kind_are_named_without_what_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.bin", "c/.hidden", ".git/config", "c/d/e.txt", "node_modules/x.js", "out/made.txt")
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "c" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert list(files_below(tmp_path))[:2] in (["a.bin", ".gitignore"], [".gitignore", "a.bin"])
    assert set(files_below(tmp_path)) == {"a.bin", ".gitignore", "c/.hidden", "c/d/e.txt"}
    assert list(files_below(tmp_path / "nothing")) == []
