"""The index of one repository: definitions, imports and pieces of its files, kept up to date by what changed.

A file is read again when its directory entry changed (time, size), and taken in again when its bytes did. The time
that a file system notes may be coarse; so what was changed shortly before it was read is read once more the next time.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from filelock import FileLock, Timeout

from localcoder.code.outline import Definition, Outline
from localcoder.code.walk import is_code_file
from localcoder.errors import LocalcoderError
from localcoder.paths import indexes_dir
from localcoder.repository.pieces import Piece
from localcoder.repository.store import Damaged, Known, Store
from localcoder.repository.taken import Content, Stamp, digest_of, files_of, is_name_taken, name_of, read, stamp_of

_COARSEST_NS = 2_000_000_000
"""FAT notes times to two seconds."""
_BATCH_S = 0.25
"""After so long what was read is written: meanwhile nobody else has to wait."""
_TIDIED_FILES = 16
"""From so many on the full-text search is tidied: a quarter of a second with 1,000,000 lines."""
_TURN_S = 0.1
"""How long to wait before asking again whether another process is done."""
_MOST_WORDS, _MOST_HITS = 16, 4_000
"""Of a query: the rarest words are taken, of which there are so many places together. `tests/benchmarks/index.py`
measures what they cost."""
_WORD = re.compile(r"[^\W_]{2,}")

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class IndexProgress:
    """How far an update is: a `localcoder.progress.Progress`. `total` counts what has to be read."""

    stage: str
    done: int
    total: int
    rate: float
    left_s: float | None = None
    unit: str = "files"


@dataclass(frozen=True)
class Update:
    """What an update did: how many files there are, were taken in, and were taken out."""

    files: int
    taken_in: int
    taken_out: int
    elapsed_s: float


@dataclass(frozen=True)
class FoundDefinition:
    """`path` is where it stands, from the root of the repository."""

    path: PurePosixPath
    definition: Definition


@dataclass(frozen=True)
class FoundPiece:
    """`score` is by BM25; higher is better."""

    path: PurePosixPath
    piece: Piece
    score: float


class Index:
    """The index of the repository at `root`. It is opened, and made where there is none; `update` fills it.

    One thread at a time may use it; other threads and processes open their own. Raises LocalcoderError for a folder
    that is not there, and where there can be no index: on a disk that cannot be written.
    """

    def __init__(self, root: Path, *, folder: Path | None = None) -> None:
        if not root.is_dir():
            raise LocalcoderError(f"There is no folder {root}.", "Give the folder of a repository.", exit_code=2)
        self.root = root.resolve()
        self._path = _file_of(self.root, folder)
        self._store = Store(self._path)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()

    @property
    def is_complete(self) -> bool:
        """Whether an update ever came to its end: before that, what is not found may be there nevertheless."""
        return self._asked(lambda store: store.fact("complete") == "yes")

    def update(self) -> Generator[IndexProgress, None, Update]:
        """Take in what changed, the newest first. Can be closed at any file: what was done so far stays.

        One process at a time updates; another waits, and finds everything done. Raises LocalcoderError.
        """
        if self._store.is_read_only:
            raise LocalcoderError(f"The index {self._path} cannot be written.", "Set XDG_CACHE_HOME to another disk.")
        lock = FileLock(self._path.with_suffix(".updating"), mode=0o600)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                yield IndexProgress("waiting for another process", 0, 0, 0.0)
                time.sleep(_TURN_S)
            except OSError as error:
                raise LocalcoderError(f"{self._path}: {error}.", "Set XDG_CACHE_HOME to another disk.") from None
        try:
            self._reopen_if_replaced()
            try:
                self._store.check()
                return (yield from self._update())
            except Damaged:
                self._store.replace()
                return (yield from self._update())
        finally:
            lock.release()

    def update_file(self, path: Path) -> bool:
        """Take in one file that was saved, or was deleted; whether anything changed. Raises LocalcoderError."""
        path = self.root / path
        # The folder may be named by a link that leads to it.
        path = path.parent.resolve() / path.name
        try:
            name = name_of(self.root, path)
        except ValueError:
            return False
        return self._asked(lambda store: self._update_one(store, path, name))

    def names(self) -> tuple[PurePosixPath, ...]:
        """The files in the index."""
        return tuple(map(_path_of, self._asked(lambda store: store.names())))

    def outline(self, path: PurePosixPath) -> Outline | None:
        """What a file defines and imports; None for a file that is not in the index."""
        return self._asked(lambda store: store.outline(os.fsencode(path)))

    def pieces(self, path: PurePosixPath) -> tuple[Piece, ...]:
        """A file's pieces."""
        return self._asked(lambda store: store.pieces(os.fsencode(path)))

    def definitions(self, name: str, *, limit: int = 50) -> tuple[FoundDefinition, ...]:
        """What has that name, anywhere."""
        found = self._asked(lambda store: store.definitions(name, limit))
        return tuple(FoundDefinition(_path_of(file), definition) for file, definition in found)

    def search(self, text: str, *, limit: int = 10) -> tuple[FoundPiece, ...]:
        """Pieces that have the rare words of the text in common with it, the best first."""
        words = {word.lower() for word in _WORD.findall(text)}
        found = self._asked(lambda store: _search(store, words, limit))
        return tuple(FoundPiece(_path_of(file), piece, score) for file, piece, score in found)

    def _asked(self, question: Callable[[Store], _Answer]) -> _Answer:
        """The answer of the file; of an empty one where it turns out to be damaged."""
        self._reopen_if_replaced()
        try:
            return question(self._store)
        except Damaged:
            self._store.replace()
        try:
            return question(self._store)
        except Damaged:
            raise LocalcoderError(f"The index {self._path} cannot be used.", "Check the disk.") from None

    def _reopen_if_replaced(self) -> None:
        if not self._store.is_there:
            self._store.close()
            self._store = Store(self._path)

    def _update(self) -> Generator[IndexProgress, None, Update]:
        begun = time.monotonic()
        store, known = self._store, self._store.known()
        changed, gone = self._changes(known)
        # What somebody works on is there first.
        changed.sort(key=lambda each: (-each[2].mtime_ns, each[1]))
        with store.writing():
            for name in gone:
                store.remove(name)
        batch: list[tuple[bytes, Stamp, int, Content | None]] = []
        lost: list[bytes] = []
        taken_in, written = 0, time.monotonic()
        for done, (path, name, stamp) in enumerate(changed):
            now = time.monotonic()
            if batch and now - written > _BATCH_S:
                self._write(batch, known)
                batch, written = [], time.monotonic()
            yield IndexProgress("index", done, len(changed), done / max(now - begun, 1e-6))
            old, read_ns = known.get(name), time.time_ns()
            data = _bytes_of(path)
            if data is None:
                lost.append(name)
                continue
            content = None if old is not None and digest_of(data) == old[2] else read(path, data)
            taken_in += content is not None
            batch.append((name, stamp, read_ns, content))
        self._write(batch, known)
        with store.writing():
            for name in lost:
                store.remove(name)
            store.set_fact("complete", "yes")
            if taken_in >= _TIDIED_FILES:
                store.tidy()
        yield IndexProgress("index", len(changed), len(changed), len(changed) / max(time.monotonic() - begun, 1e-6))
        files = len(known.keys() | {name for _, name, _ in changed}) - len(gone) - len(lost)
        return Update(files, taken_in, len(gone) + sum(name in known for name in lost), time.monotonic() - begun)

    def _changes(self, known: dict[bytes, Known]) -> tuple[list[tuple[Path, bytes, Stamp]], list[bytes]]:
        """The files that have to be read, and the names of those that are gone."""
        changed, there = [], set()
        for path in files_of(self.root):
            name = name_of(self.root, path)
            stamp = stamp_of(path)
            if stamp is None:
                continue
            there.add(name)
            if not _is_same(known.get(name), stamp):
                changed.append((path, name, stamp))
        return changed, [name for name in known if name not in there]

    def _write(self, batch: list[tuple[bytes, Stamp, int, Content | None]], known: dict[bytes, Known]) -> None:
        if not self._store.is_there:
            raise Damaged(self._path)
        with self._store.writing():
            for name, stamp, read_ns, content in batch:
                # Somebody may have saved it since, and what they saw is newer.
                old = known.get(name)
                if self._store.known_file(name) != old:
                    continue
                if content is None:
                    self._store.touch(name, stamp, read_ns)
                    continue
                if old is not None:
                    self._store.remove(name)
                self._store.put(name, stamp, read_ns, content)

    def _update_one(self, store: Store, path: Path, name: bytes) -> bool:
        old, read_ns = store.known_file(name), time.time_ns()
        is_wanted = is_name_taken(path) and (old is not None or is_code_file(self.root, path))
        stamp = stamp_of(path) if is_wanted else None
        data = None if stamp is None else _bytes_of(path)
        if stamp is None or data is None:
            if old is not None:
                with store.writing():
                    store.remove(name)
            return old is not None
        if old is not None and digest_of(data) == old[2]:
            with store.writing():
                store.touch(name, stamp, read_ns)
            return False
        content = read(path, data)
        with store.writing():
            store.remove(name)
            store.put(name, stamp, read_ns, content)
        return True


def has_index(root: Path, *, folder: Path | None = None) -> bool:
    """Whether there is an index of the repository at `root`, complete or not."""
    return _file_of(root.resolve(), folder).is_file()


def _file_of(root: Path, folder: Path | None) -> Path:
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
    return (folder or indexes_dir()) / f"{digest}.sqlite"


def _is_same(known: Known | None, stamp: Stamp) -> bool:
    """Whether the file need not be read: its entry is as it was, and old enough to tell."""
    if known is None or known[0] != stamp:
        return False
    return max(stamp.mtime_ns, stamp.ctime_ns) + _COARSEST_NS < known[1]


def _bytes_of(path: Path) -> bytes | None:
    """None for what went away, or may not be read."""
    with suppress(OSError):
        return path.read_bytes()
    return None


def _search(store: Store, words: set[str], limit: int) -> list[tuple[bytes, Piece, float]]:
    """Words that are everywhere say nothing, and cost most."""
    rarest = sorted(store.frequencies(sorted(words)[:500]).items(), key=lambda item: (item[1], item[0]))
    chosen: list[str] = []
    hits = 0
    for word, count in rarest[:_MOST_WORDS]:
        hits += count
        if chosen and hits > _MOST_HITS:
            break
        chosen.append(word)
    return store.search(chosen, limit) if chosen else []


def _path_of(name: bytes) -> PurePosixPath:
    return PurePosixPath(os.fsdecode(name))
