"""Text files in and out of the editor, byte for byte."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from localcoder.completion.document import document_from_bytes
from localcoder.errors import LocalcoderError
from localcoder.files import replacing

_BOM = "\ufeff"
_LABELS = {
    "utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp1252": "Windows-1252", "latin-1": "Latin-1",
}  # fmt: skip
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")
"""Bytes that no text in one of the 8-bit encodings has."""


class NotInEncoding(LocalcoderError):
    """The text has a character that its file's encoding has not."""


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

    `encoding`: a name of Python's. `stamp`: the file's when this was read or written; None for a text that is in no
    file.
    """

    text: str
    has_bom: bool = False
    encoding: str = "utf-8"
    stamp: Stamp | None = field(default=None, compare=False)

    def to_bytes(self) -> bytes:
        return ((_BOM if self.has_bom else "") + self.text).encode(self.encoding)

    @property
    def encoding_label(self) -> str:
        """The encoding as people write it."""
        return _LABELS[self.encoding]


def read_text_file(path: Path) -> TextFile:
    """The file at `path`; an empty one when there is none yet.

    What is not UTF-8 is read as UTF-16 if it has that mark, else as one of the 8-bit encodings: each byte is kept.
    Raises LocalcoderError (exit code 2) for a directory, an unreadable file, and one that is no text.
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
    encoding = _encoding_of(data)
    text = data.decode(encoding) if encoding else document_from_bytes(data, str(path), path).text
    return TextFile(text.removeprefix(_BOM), text.startswith(_BOM), encoding or "utf-8", stamp)


def require_place(path: Path) -> None:
    """Raises LocalcoderError (exit code 2) where no new file can be made at `path`."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise LocalcoderError(f"There is no directory {folder}.", "Make it first, or check the path.", exit_code=2)
    if not os.access(folder, os.W_OK | os.X_OK):
        what = f"{path} is a new file, and {folder} may not be written to."
        raise LocalcoderError(what, "Choose another place.", exit_code=2)


def new_file(path: Path) -> str:
    """What to say when a file is opened that is not there yet."""
    return f"{path.name} is a new file: saving makes it."


def _encoding_of(data: bytes) -> str:
    """What a text that is not UTF-8 is in; empty for what is UTF-8, or no text."""
    try:
        data.decode("utf-8")
        return ""
    except UnicodeDecodeError:
        pass
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return encoding if _decodes(data, encoding) else ""
    if _CONTROL.search(data):
        return ""
    # Its letters are Latin-1's; where Latin-1 has more control characters, it has quotes and dashes.
    return "cp1252" if re.search(rb"[\x80-\x9f]", data) and _decodes(data, "cp1252") else "latin-1"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def write_text_file(path: Path, content: TextFile) -> TextFile:
    """Replace the file in one step: a reader, and a crash, see the old bytes or the new ones, never half of each.

    Keeps the file's permissions, and follows symbolic links so that the link stays one. Returns the content with the
    stamp that the file has now. Raises LocalcoderError, and NotInEncoding.
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
    except UnicodeEncodeError as error:
        if content.encoding != "utf-8":
            what = f"{content.encoding_label} has no {error.object[error.start]!r}, which {path.name} has now."
            raise NotInEncoding(what, "Delete it, or save the file as UTF-8.") from None
        raise LocalcoderError(
            f"{path} cannot be saved: the text has half of a surrogate pair.", "Find it and delete it."
        ) from None
