"""A text, where it came from, and where the cursor stands in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from localcoder.errors import LocalcoderError


@dataclass(frozen=True)
class Snippet:
    """A piece of another file. `path` is what the model is told it is called."""

    path: str
    text: str

    @property
    def size(self) -> int:
        """Characters that it takes in a prompt."""
        return len(self.path) + len(self.text) + 1


@dataclass(frozen=True)
class Document:
    """`cursor` is an offset in characters into `text`, 0 ≤ cursor ≤ len(text). `path` is None for an unnamed buffer."""

    text: str
    cursor: int
    path: Path | None = None
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files that the completion may rest on, the most relevant last."""
    head: tuple[Snippet, ...] = ()
    """What a prompt begins with as soon as it is read: the signatures that the file needs from others, in their order.
    It stays the same for long."""

    def __post_init__(self) -> None:
        if not 0 <= self.cursor <= len(self.text):
            raise ValueError(f"cursor {self.cursor} outside a text of {len(self.text)} characters")

    @property
    def prefix(self) -> str:
        return self.text[: self.cursor]

    @property
    def suffix(self) -> str:
        return self.text[self.cursor :]

    def at(self, line: int, column: int) -> Document:
        """The same text with the cursor before that column of that line, both counted from 1, in characters."""
        return replace(self, cursor=_offset(self.text, line, column))


def read_document(path: Path) -> Document:
    """The file as UTF-8 text, its line endings kept, the cursor at its end.

    Raises LocalcoderError for a file that is missing, unreadable, or not text.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise LocalcoderError(f"There is no file {path}.", "Check the path.", exit_code=2) from None
    except OSError as error:
        raise LocalcoderError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.", exit_code=2
        ) from None
    return document_from_bytes(data, str(path), path)


def document_from_bytes(data: bytes, name: str, path: Path | None = None) -> Document:
    """UTF-8 bytes as a document. A NUL byte, or bytes that are not UTF-8, are refused: `name` says whose."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LocalcoderError(
            f"{name} is not UTF-8 text (byte {error.start}).", "Convert it to UTF-8 first.", exit_code=2
        ) from None
    if "\0" in text:
        raise LocalcoderError(f"{name} is a binary file.", "Give a file of program text.", exit_code=2)
    return Document(text, len(text), path)


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        raise LocalcoderError(
            f"Line {line} is outside the text, which has {len(lines)}.", "Lines are counted from 1.", exit_code=2
        )
    width = len(lines[line - 1].removesuffix("\r"))
    if not 1 <= column <= width + 1:
        raise LocalcoderError(
            f"Column {column} is outside line {line}, which has {width} characters.",
            f"Columns are counted from 1; {width + 1} is the end of the line.",
            exit_code=2,
        )
    return sum(len(above) + 1 for above in lines[: line - 1]) + column - 1
