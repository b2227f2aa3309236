"""What git ignores is left out, by git itself and by its files alone, and both say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcoder.code.git import git
from localcoder.code.walk import code_files, is_code_file

SETS = int(os.environ.get("IGNORE_EXAMPLES", "10"))
WAYS = pytest.mark.parametrize("way", ["git", "no git"])


def make(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def found(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    with monkeypatch.context() as patch:
        if way == "no git":
            patch.setenv("PATH", "")
            assert git(folder, "version") is None
        files = code_files(folder)
        # Whoever asks of one file is told the same.
        assert {path for path in files if is_code_file(folder, path)} == {*files}
        others = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
        assert not any(is_code_file(folder, path) for path in others if path not in files)
        return [path.relative_to(folder).as_posix() for path in files]


@WAYS
def test_ignored_files_are_left_out(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "init")
    make(tmp_path, **{
        ".gitignore": "out/\n*.gen.py\n!kept.gen.py\n/top.py\n[\n\n# out\n", ".git/info/exclude": "mine.py\n",
        "a.py": "", "out/b.py": "", "c.gen.py": "", "kept.gen.py": "", "top.py": "", "mine.py": "", "ä.py": "",
        "d/top.py": "", "d/.gitignore": "*.rb\n!c.gen.py\n", "d/e.rb": "", "d/c.gen.py": "", "d/out/f.py": "",
    })  # fmt: skip
    assert found(tmp_path, way, monkeypatch) == ["a.py", "d/c.gen.py", "d/top.py", "kept.gen.py", "ä.py"]
    assert found(tmp_path / "d", way, monkeypatch) == ["c.gen.py", "top.py"]


@WAYS
def test_a_folder_that_is_ignored_was_named(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "init")
    make(tmp_path, **{".gitignore": "lib/\n*.py\n", "lib/x/a.py": "", "lib/x/b.py": "", "lib/x/.gitignore": "b.*\n"})
    assert found(tmp_path, way, monkeypatch) == []
    assert found(tmp_path / "lib/x", way, monkeypatch) == ["a.py"]


@WAYS
def test_a_submodule_belongs_to_it_and_another_repository_does_not(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        run(tmp_path, "init", name)
        make(tmp_path / name, **{f"{name}.py": "", "x.py": "", ".gitignore": "x.py\n", "d/y.py": ""})
        run(tmp_path / name, "add", ".")
        run(tmp_path / name, "commit", "-m", name)
    run(tmp_path / "one", "submodule", "add", str(tmp_path / "two"), "sub/two")
    run(tmp_path / "one", "clone", str(tmp_path / "two"), "clone")
    run(tmp_path / "one", "worktree", "add", str(tmp_path / "one/tree"))
    make(tmp_path / "one", **{"sub/two/x.py": "", "sub/two/new.py": ""})
    mine = ["d/y.py", "one.py"]
    assert found(tmp_path / "one", way, monkeypatch) == [
        *mine, "sub/two/d/y.py", "sub/two/new.py", "sub/two/two.py"
    ]  # fmt: skip
    assert found(tmp_path / "one/sub/two", way, monkeypatch) == ["d/y.py", "new.py", "two.py"]
    make(tmp_path / "one", **{"tree/x.py": "", "tree/mine.py": "", ".git/info/exclude": "mine.py\n"})
    assert found(tmp_path / "one/tree", way, monkeypatch) == mine


def test_a_folder_of_repositories_is_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        run(tmp_path, "init", name)
        make(tmp_path / name, **{".gitignore": "x.py\n", "x.py": "", "a.py": ""})
    for way in ("git", "no git"):
        assert found(tmp_path, way, monkeypatch) == ["one/a.py", "two/a.py"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
@WAYS
def test_a_name_that_is_no_text_is_a_name(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "init")
    for name in (b"\xff.py", b"\xfe.py", b"d\xe9/a.py"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (tmp_path / ".gitignore").write_bytes(b"\xfe.py\n")
    assert {os.fsencode(name) for name in found(tmp_path, way, monkeypatch)} == {b"\xff.py", b"d\xe9/a.py"}


def test_no_program_that_a_repository_names_is_started(tmp_path: Path) -> None:
    run(tmp_path, "init")
    run(tmp_path, "config", "core.fsmonitor", f"touch '{tmp_path / 'started'}'; false")
    make(tmp_path, **{"a.py": ""})
    assert len(code_files(tmp_path)) == 1
    assert not (tmp_path / "started").exists()


def test_a_hook_of_another_repository_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        run(tmp_path, "init", name)
    make(tmp_path / "one", **{".gitignore": "a.py\n", "a.py": "", "b.py": ""})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "two/.git"))
    assert found(tmp_path / "one", "git", monkeypatch) == ["b.py"]


_PARTS = st.sampled_from(["a", "b", "a.py", "b.py", "*", "**", "?.py", "[ab]", "a*"])
_PATTERNS = st.builds(
    lambda mark, start, parts, end: mark + start + "/".join(parts) + end,
    st.sampled_from(["", "", "", "!"]), st.sampled_from(["", "/"]), st.lists(_PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
).filter(lambda pattern: not pattern.endswith("**/"))  # fmt: skip
"""Of a pattern that ends in `**/` pathspec says more than git."""


@settings(max_examples=SETS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(above=st.lists(_PATTERNS, max_size=4), below=st.lists(_PATTERNS, max_size=3))
def test_the_files_alone_say_what_git_says(
    above: list[str], below: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (tmp_path / ".git").exists():
        run(tmp_path, "init")
        make(tmp_path, **{f"{x}{y}{z}": "" for x in ("", "a/") for y in ("", "a/", "b/") for z in ("a.py", "b.py")})
    make(tmp_path, **{".gitignore": "\n".join(above), "a/.gitignore": "\n".join(below)})
    assert found(tmp_path, "no git", monkeypatch) == found(tmp_path, "git", monkeypatch)
