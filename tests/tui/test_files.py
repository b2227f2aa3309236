from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.errors import LocalcoderError
from localcoder.tui.files import NotInEncoding, TextFile, read_text_file, require_place, write_text_file
from localcoder.tui.text.lines import LineDocument


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no newline at the end",
        b"\xef\xbb\xbfbom\r\nand crlf\r\n",
        b"mixed\r\nline\nends\r",
        b"form\ffeed\x1c and \xe2\x80\xa8 separators\n",
        b"old\rmac\r",
        "caf\u00e9\r\n".encode("latin-1"),
        "\u201ccaf\u00e9\u201d \u2013".encode("cp1252"),
        "\u201d".encode("cp1252") + b"\x81",
        "\ufeffcaf\u00e9\n".encode("utf-16-le"),
        "\ufeffcaf\u00e9\n".encode("utf-16-be"),
    ],
)
def test_a_file_survives_byte_for_byte(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(data)
    content = read_text_file(path)
    write_text_file(path, replace(content, text=LineDocument(content.text).text))
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "run.sh", tmp_path / "link.sh"
    path.write_text("old")
    path.chmod(0o750)
    link.symlink_to(path)
    write_text_file(link, TextFile("new"))
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o750


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_text_file(tmp_path / "new.py", TextFile("x"))
    finally:
        os.umask(umask)
    assert (tmp_path / "new.py").stat().st_mode & 0o777 == 0o640


def test_a_missing_file_is_an_empty_buffer(tmp_path: Path) -> None:
    assert read_text_file(tmp_path / "none.py") == TextFile("")


@pytest.mark.parametrize(
    ("data", "text", "label"),
    [
        (b"caf\xe9", "caf\u00e9", "Latin-1"),
        (b"\x93caf\xe9\x94", "\u201ccaf\u00e9\u201d", "Windows-1252"),
        (b"\xff\xfea\x00", "a", "UTF-16"),
    ],
)
def test_the_encoding_of_old_files_is_known(data: bytes, text: str, label: str, tmp_path: Path) -> None:
    path = tmp_path / "old.c"
    path.write_bytes(data)
    content = read_text_file(path)
    assert (content.text, content.encoding_label) == (text, label)
    with pytest.raises(NotInEncoding, match=label) if label != "UTF-16" else nullcontext():
        write_text_file(path, replace(content, text="\u4e16"))


def test_a_new_file_needs_a_directory(tmp_path: Path) -> None:
    require_place(tmp_path / "new.py")
    with pytest.raises(LocalcoderError, match="no directory"):
        require_place(tmp_path / "none" / "new.py")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a\0b", b"\xff\x01\x02"])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "binary"
    path.write_bytes(data)
    with pytest.raises(LocalcoderError) as caught:
        read_text_file(path)
    assert caught.value.exit_code == 2


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalcoderError, match="is a directory") as caught:
        read_text_file(tmp_path)
    assert caught.value.exit_code == 2


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "file.py"
    with pytest.raises(LocalcoderError, match="cannot be saved"):
        write_text_file(missing, TextFile("x"))
    path = tmp_path / "file.py"
    path.write_text("old")
    with pytest.raises(LocalcoderError, match="surrogate"):
        write_text_file(path, TextFile("\ud800"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
