"""KV cells on disk, so that reopening a file does not read it again.

A file is an 8-byte length, a JSON header of that length, and llama.cpp's own state of one sequence. llama.cpp asserts
on a state that does not fit and knows nothing of the weights that it belongs to, so the header carries both a key
(model, library, adapters) and a checksum, and a file that does not match is removed and never given to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcoder.engine.kv_shift import common_prefix
from localcoder.files import replacing

_SUFFIX = ".kv"
_PARTIAL = ".partial"
"""What `localcoder.files` calls a file until it is whole."""
_VERSION = 2
_MAX_HEADER_BYTES = 4 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 64 << 10
_ABANDONED_S = 60.0
"""Seconds after its last byte from which on half a file counts as left behind. One that is written after all is lost,
which costs its reading."""


@dataclass(frozen=True)
class Snapshot:
    """What a file holds: the ids at positions 0 … len(ids) − 1, with cells from position `first` on."""

    path: Path
    ids: tuple[int, ...]
    first: int
    size_bytes: int
    sha256: str
    is_head: bool = False
    """The beginning of many texts, which none of them replaces."""

    def reusable(self, ids: Sequence[int], window: int) -> int:
        """How many of `ids` need not be read with these cells."""
        shared = min(common_prefix(self.ids, ids), len(ids) - 1)
        needed = max(0, shared - window + 1) if window else 0
        return shared if needed >= self.first else 0


class SnapshotStore:
    """The snapshots of one model in a directory of at most `limit_bytes`, whatever models they are of.

    Nothing here raises for a full or read-only disk: a snapshot is a favour.
    """

    def __init__(self, directory: Path, key: str, limit_bytes: int) -> None:
        self._directory = directory
        self._key = key
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._remove_abandoned()
        self._snapshots = self._index()

    @property
    def all(self) -> Sequence[Snapshot]:
        return tuple(self._snapshots)

    def best(self, ids: Sequence[int], window: int) -> tuple[Snapshot | None, int]:
        """The snapshot that saves most reading, and how many ids it saves."""
        found, most = None, 0
        for snapshot in self.all:
            if (saved := snapshot.reusable(ids, window)) > most:
                found, most = snapshot, saved
        return found, most

    def read(self, snapshot: Snapshot) -> bytearray | None:
        """The state, or None (and the file is gone) when it is damaged."""
        try:
            with snapshot.path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                file.seek(8 + length)
                is_whole = os.fstat(file.fileno()).st_size == 8 + length + snapshot.size_bytes
                # llama.cpp takes it as it is, where it would need a copy of bytes: up to 150 MB for a 3B.
                data = bytearray(snapshot.size_bytes if is_whole else 0)
                file.readinto(data)
            if is_whole and hashlib.sha256(data).hexdigest() == snapshot.sha256:
                # Oldest out first: what is used is young.
                os.utime(snapshot.path)
                return data
        except (OSError, struct.error):
            pass
        self._remove(snapshot)
        return None

    def write(self, ids: Sequence[int], first: int, data: bytes | bytearray, *, is_head: bool = False) -> None:
        """Keep a state. Snapshots of which it is a continuation are replaced, the oldest make room."""
        known = (each for each in self.all if common_prefix(each.ids, ids) == len(ids) and each.is_head >= is_head)
        if len(data) > self._limit_bytes or any(known):
            return
        digest = hashlib.sha256(data).hexdigest()
        header = {"version": _VERSION, "key": self._key, "ids": list(ids), "first": first, "is_head": is_head}
        blob = json.dumps({**header, "size_bytes": len(data), "sha256": digest}).encode()
        name = hashlib.sha256(blob).hexdigest()[:32]
        path = self._directory / (name + _SUFFIX)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_room(len(blob) + len(data) + 8)
            # The text of someone's code is in there.
            with replacing(path, mode=0o600) as file:
                file.write(struct.pack("<Q", len(blob)) + blob)
                file.write(data)
        except OSError:
            return
        for each in self.all:
            if common_prefix(each.ids, ids) == len(each.ids) and not each.is_head:
                self._remove(each)
        with self._lock:
            self._snapshots = [*self._snapshots, Snapshot(path, tuple(ids), first, len(data), digest, is_head)]

    def _index(self) -> list[Snapshot]:
        """This model's snapshots; files that cannot be understood are removed."""
        found = []
        for path in self._files(_SUFFIX):
            try:
                key, snapshot = _read_header(path)
                if key == self._key:
                    found.append(snapshot)
            except OSError:
                continue
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error):
                with suppress(OSError):
                    path.unlink()
        return found

    def _files(self, *suffixes: str) -> list[Path]:
        with suppress(OSError):
            return [path for path in self._directory.iterdir() if path.suffix in suffixes and path.is_file()]
        return []

    def _remove_abandoned(self) -> None:
        """Remove the halves of files that a killed process left."""
        for path in self._files(_PARTIAL):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()

    def _make_room(self, size: int) -> None:
        """Remove the oldest until there is room. What others are writing takes room too, and stays."""
        self._remove_abandoned()
        dated, used = [], 0
        for path in self._files(_SUFFIX, _PARTIAL):
            with suppress(OSError):
                status = path.stat()
                used += status.st_size
                if path.suffix == _SUFFIX:
                    dated.append((status.st_mtime, status.st_size, path))
        for _, size_bytes, path in sorted(dated):
            if used + size <= self._limit_bytes:
                return
            path.unlink(missing_ok=True)
            with self._lock:
                self._snapshots = [each for each in self._snapshots if each.path != path]
            used -= size_bytes

    def _remove(self, snapshot: Snapshot) -> None:
        with suppress(OSError):
            snapshot.path.unlink(missing_ok=True)
        with self._lock:
            self._snapshots = [each for each in self._snapshots if each is not snapshot]


def model_key(path: Path, *rest: str) -> str:
    """A hash that tells models apart: size and samples spread over the whole file, and whatever else matters.

    Hashing all of a large file would take longer than reading a prompt.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(json.dumps([size, *rest]).encode())
    with path.open("rb") as file:
        for i in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * i // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _read_header(path: Path) -> tuple[str, Snapshot]:
    """The key and what the header says. Raises nearly anything for a header that may be anything."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _MAX_HEADER_BYTES:
            raise ValueError("header too long")
        header = json.loads(file.read(length))
        size_bytes = os.fstat(file.fileno()).st_size - 8 - length
    if header["version"] != _VERSION or header["size_bytes"] != size_bytes:
        raise ValueError("another format, or not the whole file")
    ids = tuple(map(int, header["ids"]))
    first, is_head = int(header["first"]), bool(header["is_head"])
    return header["key"], Snapshot(path, ids, first, size_bytes, str(header["sha256"]), is_head)
