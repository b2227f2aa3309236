from pathlib import Path

import pytest

from localcoder.completion.document import Document, document_from_bytes, read_document
from localcoder.errors import LocalcoderError


def test_line_and_column_count_from_one_and_the_cursor_stands_before_the_column() -> None:
    document = Document("ab\r\nc\n", 0)
    assert document.at(1, 1).cursor == 0
    assert document.at(1, 3).cursor == 2
    assert document.at(2, 2).cursor == 5
    assert document.at(3, 1).cursor == 6


@pytest.mark.parametrize(("line", "column"), [(0, 1), (4, 1), (1, 0), (1, 4), (3, 2)])
def test_a_cursor_outside_the_text_is_refused(line: int, column: int) -> None:
    with pytest.raises(LocalcoderError, match="outside") as caught:
        Document("ab\r\nc\n", 0).at(line, column)
    assert caught.value.exit_code == 2


def test_files_are_read_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("é\r\nx\rz\f".encode())
    assert read_document(path).text == "é\r\nx\rz\f"


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a\0b"])
def test_what_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(LocalcoderError) as caught:
        document_from_bytes(data, "x")
    assert caught.value.exit_code == 2


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(LocalcoderError) as caught:
            read_document(path)
        assert caught.value.exit_code == 2
