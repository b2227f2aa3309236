"""Finding a text in files, by ripgrep and without it: both say the same."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from localcoder.code.file_search import FileSearch, Hit
from localcoder.errors import LocalcoderError

WAYS = [pytest.param("rg", marks=pytest.mark.skipif(not shutil.which("rg"), reason="ripgrep is not here")), "walk"]


@pytest.fixture(params=WAYS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "walk":
        monkeypatch.setattr("localcoder.code.file_search.shutil.which", lambda name: None)
    return tmp_path


def hits(folder: Path, text: str, *, is_regex: bool = False, has_case: bool = False) -> list[tuple[str, int, int, int]]:
    found = FileSearch(folder, text, is_regex=is_regex, has_case=has_case)
    return sorted((hit.name, hit.row, hit.start, hit.end) for hit in found)


def test_each_line_is_named_once_with_its_place(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "a.py").write_text("x = 1\n世界 Shelf shelf\r\n", newline="")
    (folder / "src" / "b.txt").write_text("no\n\nshelf")
    assert hits(folder, "shelf") == [("a.py", 1, 3, 8), ("src/b.txt", 2, 0, 5)]
    assert hits(folder, "Shelf", has_case=True) == [("a.py", 1, 3, 8)]
    assert [hit.line for hit in FileSearch(folder, "Shelf", has_case=True)] == ["世界 Shelf shelf"]
    assert hits(folder, "^s.*f$", is_regex=True) == [("src/b.txt", 2, 0, 5)]
    assert hits(folder, "s.*f") == hits(folder, "--help") == []


def test_what_is_left_out(folder: Path) -> None:
    for name in ("a.py", ".hidden", ".git/config", "node_modules/x.js", "out/made.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("shelf\n")
    (folder / ".gitignore").write_text("out/\n")
    (folder / "binary").write_bytes(b"shelf\0\n")
    (folder / "large").write_text("shelf\n" + " " * (1 << 20))
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "gone").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    assert hits(folder, "shelf") == [(".hidden", 0, 0, 5), ("a.py", 0, 0, 5)]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text here")
def test_names_and_texts_that_are_not_utf_8(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (folder / name).write_bytes(b"caf\xe9 shelf\n")
    assert list(FileSearch(folder, "shelf")) == [Hit(name, 0, 5, 10, "caf\ufffd shelf")]


def test_an_expression_that_is_none_is_told(folder: Path) -> None:
    (folder / "a.py").write_text("(")
    with pytest.raises(LocalcoderError, match="Not a regular expression"):
        list(FileSearch(folder, "(", is_regex=True))
    assert hits(folder, "(") == [("a.py", 0, 0, 1)]


def test_it_is_stopped_in_the_middle(folder: Path) -> None:
    for number in range(50):
        (folder / f"{number}.txt").write_text("shelf\n" * 2_000)
    search = FileSearch(folder, "shelf")
    found = iter(search)
    next(found)
    search.stop()
    assert sum(1 for _ in found) < 99_000
    search = FileSearch(folder, "shelf")
    search.stop()
    assert list(search) == []
