"""Text files in and out of the editor, byte for byte."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from localcoder.completion.document import document_from_bytes
from localcoder.errors import LocalcoderError
from localcoder.files import replacing

_BOM = "\ufeff"


@dataclass(frozen=True)
class Stamp:
    """What the file system says of a file at one time. Another one means that the file was written since."""

    inode: int
    modified_ns: int
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """None when there is no such file."""
        try:
            return cls._of(path.stat())
        except OSError:
            return None

    @classmethod
    def of_open(cls, file: IO[bytes]) -> Stamp:
        return cls._of(os.fstat(file.fileno()))

    @classmethod
    def _of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


@dataclass(frozen=True)
class TextFile:
    """A file's text without its byte order mark, and whether it had one. Line endings are as in the file.

    `stamp`: the file's when this was read or written; None for a text that is in no file.
    """

    text: str
    has_bom: bool = False
    stamp: Stamp | None = field(default=None, compare=False)

    def to_bytes(self) -> bytes:
        return ((_BOM if self.has_bom else "") + self.text).encode("utf-8")


def read_text_file(path: Path) -> TextFile:
    """The file at `path`; an empty one when there is none yet.

    Raises LocalcoderError (exit code 2) for a directory, an unreadable file, and one that is not UTF-8 text.
    """
    if path.is_dir():
        raise LocalcoderError(f"{path} is a directory.", "Give a file inside it.", exit_code=2)
    try:
        with path.open("rb") as file:
            # Before reading: what is written in between is then noticed as a change.
            stamp = Stamp.of_open(file)
            data = file.read()
    except FileNotFoundError:
        return TextFile("")
    except OSError as error:
        raise LocalcoderError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.", exit_code=2
        ) from None
    text = document_from_bytes(data, str(path), path).text
    return TextFile(text.removeprefix(_BOM), text.startswith(_BOM), stamp)


def write_text_file(path: Path, content: TextFile) -> TextFile:
    """Replace the file in one step: a reader, and a crash, see the old bytes or the new ones, never half of each.

    Keeps the file's permissions, and follows symbolic links so that the link stays one. Returns the content with the
    stamp that the file has now. Raises LocalcoderError.
    """
    try:
        data = content.to_bytes()
        with replacing(path) as file:
            file.write(data)
            file.flush()
            stamp = Stamp.of_open(file)
        return replace(content, stamp=stamp)
    except OSError as error:
        raise LocalcoderError(
            f"{path} cannot be saved: {error.strerror}.", "Your text is still here: save it under another name."
        ) from None
    except UnicodeEncodeError:
        raise LocalcoderError(
            f"{path} cannot be saved: the text has half of a surrogate pair.", "Find it and delete it."
        ) from None
