"""Which files holes are cut out of, and where: on real grammars and real git repositories."""

from __future__ import annotations

import itertools
import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from localcoder.errors import LocalcoderError
from localcoder.evaluate.holes import KINDS, Hole, cut, reading_order
from localcoder.evaluate.own_code import own_files
from tests.conftest import ROOT

SHELF = '''"""Où les livres — ☕ — sont."""

import json

LIMIT = 12


def load_shelf(path, limit=LIMIT):
    """Read a shelf."""
    with open(path, encoding="utf-8") as file:
        shelf = json.load(file)
    if len(shelf) > limit:
        raise ValueError(f"“{path}” is full", limit)
    return shelf


class Shelf:
    def names(self):
        return [book["name"] for book in self.books]
'''
USER = """from shelf import load_shelf


def count_books(path):
    shelf = load_shelf(path, limit=100)
    total = sum(1 for _ in shelf)
    return total
"""
GO = """package shelf

import "fmt"

func Count(books []string, limit int) (int, error) {
	if len(books) > limit {
		return 0, fmt.Errorf("%d books are too many", len(books))
	}
	total := len(books)
	return total, nil
}
"""


def git(folder: Path, *arguments: str, date: str = "2024-01-01T12:00:00") -> None:
    environ = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    subprocess.run(command, check=True, capture_output=True, env=environ)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "shelf.py").write_text(SHELF, encoding="utf-8")
    (folder / "user.py").write_text(USER + "\n# The end of a file that is long enough to be looked at.\n" * 2)
    (folder / "count.go").write_text(GO)
    return folder


def texts(holes: list[Hole], kind: str) -> set[str]:
    return {hole.middle for hole in holes if hole.kind == kind}


def test_what_is_cut(repository: Path) -> None:
    holes = cut(own_files(repository))
    assert {hole.kind for hole in holes} == set(KINDS)
    assert 'path, encoding="utf-8"' in texts(holes, "call")
    assert "shelf = json.load(file)" in texts(holes, "block") & texts(holes, "line")
    assert 'raise ValueError(f"“{path}” is full", limit)' in texts(holes, "block")
    assert 'return [book["name"] for book in self.books]' in texts(holes, "function")
    docstring = next(hole for hole in holes if hole.kind == "function" and hole.middle.startswith("with open"))
    assert docstring.middle.endswith("return shelf"), "the docstring stays, the rest of the body goes"
    go = next(hole for hole in holes if hole.kind == "function" and hole.file.name == "count.go")
    assert go.middle.startswith("if len(books)") and go.middle.endswith("return total, nil")
    assert not any(hole.middle.startswith(("#", '"""')) for hole in holes), "no comments, no docstrings"


def test_holes_are_where_they_say_in_text_that_is_not_ascii(repository: Path) -> None:
    for hole in cut(own_files(repository)):
        document = hole.document
        assert document.prefix + hole.middle + document.suffix == hole.file.text
        assert hole.middle == hole.middle.strip() != ""
        if hole.kind in ("rest", "line"):
            assert "\n" not in hole.middle and hole.document.suffix.lstrip(" ")[:1] in ("\n", "")
        if hole.kind == "line":
            assert document.prefix.rpartition("\n")[2].strip() == ""
        if hole.kind == "rest":
            assert document.prefix.rpartition("\n")[2].strip() != ""


def test_crlf(repository: Path) -> None:
    path = repository / "shelf.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    holes = [hole for hole in cut(own_files(repository)) if hole.file.name == "shelf.py"]
    assert "shelf = json.load(file)" in texts(holes, "line")
    assert all(not hole.middle.endswith("\r") for hole in holes)
    assert any("\r\n" in hole.middle for hole in holes)


def test_the_same_files_and_seed_give_the_same_holes_in_the_same_order(repository: Path) -> None:
    first, again = cut(own_files(repository)), cut(own_files(repository))
    assert [hole.key for hole in first] == [hole.key for hole in again]
    other = cut(own_files(repository), seed=1)
    assert [hole.key for hole in first] != [hole.key for hole in other]
    (repository / "user.py").write_text(USER * 3)
    kept = [hole.key for hole in first if hole.file.name != "user.py" and hole.kind == "line"]
    changed = [hole.key for hole in cut(own_files(repository)) if hole.file.name != "user.py" and hole.kind == "line"]
    assert kept == changed, "a file that changes does not move the holes of others"


def test_kinds_come_by_turns_and_the_holes_of_a_line_together(repository: Path) -> None:
    holes = cut(own_files(repository))
    assert [hole.kind for hole in holes[: len(KINDS)]] == list(KINDS)
    ordered = reading_order(holes)
    ends = [(hole.file.name, hole.end) for hole in ordered if hole.kind in ("rest", "line")]
    assert sum(one == two for one, two in itertools.pairwise(ends)) >= len(ends) // 3
    assert [(hole.file.name, hole.end) for hole in ordered] == sorted((hole.file.name, hole.end) for hole in holes)


def test_names_from_other_files(repository: Path) -> None:
    files = own_files(repository)
    elsewhere = cut(files, names="elsewhere")
    assert {hole.file.name for hole in elsewhere} == {"user.py"}
    assert all("load_shelf" in hole.middle for hole in elsewhere)
    here = cut(files, names="here")
    assert not any("load_shelf" in hole.middle for hole in here if hole.file.name == "user.py")
    assert len(elsewhere) + len(here) == len(cut(files))


def test_no_hole_is_longer_than_a_suggestion(repository: Path) -> None:
    assert all(len(hole.middle) <= 30 for hole in cut(own_files(repository), max_tokens=10))


def test_what_nobody_wrote_is_left_out(repository: Path) -> None:
    body = "value = compute(1, 2, 3)\n" * 20
    (repository / "latin.py").write_bytes("name = 'é'\n".encode("latin-1") * 40)
    (repository / "made.py").write_text("# Generated by a tool. DO NOT EDIT.\n" + body)
    (repository / "mini.js").write_text("var a=1;" * 400)
    (repository / "huge.py").write_text(body * 1000)
    (repository / "nul.py").write_text(body + "\0")
    (repository / "notes.md").write_text("# Notes\n" * 100)
    (repository / "link.py").symlink_to("shelf.py")
    assert [file.name for file in own_files(repository)] == ["count.go", "shelf.py", "user.py"]


def test_a_file_that_does_not_parse_gives_only_what_is_whole(repository: Path) -> None:
    (repository / "broken.py").write_text("def f(:\n    x = (1,\n" + SHELF, encoding="utf-8")
    holes = [hole for hole in cut(own_files(repository)) if hole.file.name == "broken.py"]
    assert not any("def f(:" in hole.middle for hole in holes)


def test_what_git_ignores_is_left_out(repository: Path) -> None:
    git(repository, "init", "-q")
    (repository / "build").mkdir()
    (repository / "build" / "made.py").write_text(SHELF, encoding="utf-8")
    assert "build/made.py" in [file.name for file in own_files(repository)]
    (repository / ".gitignore").write_text("build/\n")
    assert [file.name for file in own_files(repository)] == ["count.go", "shelf.py", "user.py"]


def test_since_a_day_counts_from_when_a_file_came_in_whatever_it_is_called_now(repository: Path) -> None:
    git(repository, "init", "-q")
    git(repository, "add", "shelf.py")
    git(repository, "commit", "-qm", "one", date="2023-05-01T12:00:00")
    git(repository, "add", "count.go")
    git(repository, "commit", "-qm", "two", date="2024-05-01T12:00:00")
    git(repository, "mv", "shelf.py", "moved.py")
    git(repository, "commit", "-qm", "three", date="2024-06-01T12:00:00")
    found = own_files(repository, since=datetime(2024, 1, 1))
    assert [file.name for file in found] == ["count.go", "user.py"], "user.py is new: git does not know it yet"
    with pytest.raises(LocalcoderError, match="newer than 2100"):
        own_files(repository, since=datetime(2100, 1, 1))


def test_without_git_a_day_counts_from_the_last_change(repository: Path) -> None:
    for path in repository.iterdir():
        os.utime(path, (0, 0))
    os.utime(repository / "user.py")
    assert [file.name for file in own_files(repository, since=datetime(2020, 1, 1))] == ["user.py"]


def test_nothing_to_cut(tmp_path: Path) -> None:
    with pytest.raises(LocalcoderError, match="no folder"):
        own_files(tmp_path / "nowhere")
    with pytest.raises(LocalcoderError, match="no code"):
        own_files(tmp_path)
    (tmp_path / "comments.py").write_text("# Only this.\n" * 50)
    with pytest.raises(LocalcoderError, match="No place"):
        cut(own_files(tmp_path))


@pytest.mark.parametrize("folder", ["localcoder/code", "converters"])
def test_all_of_this_projects_holes_can_be_filled(folder: str) -> None:
    holes = cut(own_files(ROOT / folder))
    assert len({hole.key for hole in holes}) == len(holes) > 1000
    assert all(hole.document.prefix + hole.middle + hole.document.suffix == hole.file.text for hole in holes)
