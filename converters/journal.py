"""Which tensors of an unfinished file are whole: a line each, written once their bytes are on the disk.

The first line is a key, a digest of all that the file's bytes depend on. A journal of another key, or one that holds
anything but lines of this format, says nothing. A last line without its end is what an interruption leaves: it is cut
off. No line is believed: whoever goes on compares its checksum with the bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from converters.output import as_convert_error

_FORMAT = "localcoder conversion 1"
_LINE = re.compile(r"([0-9a-f]{64})  ([ -~]+)")
_MAX_BYTES = 64 << 20
"""Chosen: a hundred times what the largest model's journal has, and little to read."""


class Journal:
    """The journal of the file that will be at `path`; `claims` maps a tensor's GGUF name to its checksum.

    For whoever holds the lock on the unfinished file. `is_wanted` false: what an earlier run noted is not read.
    """

    def __init__(self, path: Path, key: str, *, is_wanted: bool) -> None:
        self._target, self.path = path, journal_path(path)
        self.claims: dict[str, str] = {}
        first = f"{_FORMAT} {key}\n"
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        with as_convert_error(self._target):
            self._fd = os.open(self.path, flags, 0o666)
            try:
                found = self._read() if is_wanted else b""
                claims = _parse(found, first.encode())
                if claims is None:
                    os.ftruncate(self._fd, 0)
                    self._append(first)
                else:
                    self.claims = claims
                    os.ftruncate(self._fd, found.rfind(b"\n") + 1)
            except BaseException:
                if self.claims:
                    self.close()
                else:
                    self.remove()
                raise

    def note(self, checksums: Mapping[str, str]) -> None:
        """Vouch for tensors (name → checksum) whose bytes are on the disk. Lasts when this returns."""
        with as_convert_error(self._target):
            self._append("".join(f"{checksum}  {name}\n" for name, checksum in checksums.items()))
        self.claims.update(checksums)

    def remove(self) -> None:
        self.close()
        with as_convert_error(self._target):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> bytes:
        data = bytearray()
        while (block := os.read(self._fd, 1 << 20)) and len(data) <= _MAX_BYTES:
            data += block
        return bytes(data)

    def _append(self, text: str) -> None:
        os.lseek(self._fd, 0, os.SEEK_END)
        data = memoryview(text.encode())
        while data:
            data = data[os.write(self._fd, data) :]
        os.fsync(self._fd)


def journal_path(path: Path) -> Path:
    """Where the journal of the file that will be at `path` is."""
    return path.with_name(f".{path.name}.journal")


def checksum(block_digests: Iterable[bytes]) -> str:
    """A tensor's checksum: the sha256 (hexadecimal) of the sha256s of its blocks, as blocks are made in any order."""
    return hashlib.sha256(b"".join(block_digests)).hexdigest()


def _parse(data: bytes, first: bytes) -> dict[str, str] | None:
    """The claims, the last one of each tensor; None if the journal is of something else, or damaged."""
    if not data.startswith(first) or len(data) > _MAX_BYTES:
        return None
    claims = {}
    for line in data[len(first) : data.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n")[:-1]:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        claims[match[2]] = match[1]
    return claims
