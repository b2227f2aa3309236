"""The index's file: SQLite with full-text search, readable by its owner alone.

What it holds can be made again at any time. So a file that is damaged, or of another version, is replaced by an empty
one; who asks is told by `Damaged`, and begins anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from localcoder.code.imports import Import
from localcoder.code.outline import Definition, Outline
from localcoder.errors import LocalcoderError
from localcoder.files import reason
from localcoder.repository.pieces import Piece
from localcoder.repository.taken import Content, Stamp

_APPLICATION, _VERSION = 0x6C636964, 1
"""Count the version up whenever what is taken of a file changes, or how it is stored."""
_BUSY_S = 10.0
"""Longer than any transaction of another process takes."""
_NOT_DAMAGE = ("locked", "busy", "full", "readonly", "unable to open", "disk i/o", "interrupted", "out of memory")
"""What SQLite says when a file is as it should be, and cannot be used nevertheless."""
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (
    id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    read_ns INTEGER NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE definitions (
    file INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, container TEXT NOT NULL,
    signature TEXT NOT NULL, doc TEXT NOT NULL, line INTEGER NOT NULL, end_line INTEGER NOT NULL
);
CREATE INDEX definitions_by_name ON definitions (name);
CREATE INDEX definitions_by_file ON definitions (file);
CREATE TABLE imports (
    file INTEGER NOT NULL, module TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
    line INTEGER NOT NULL, is_export INTEGER NOT NULL
);
CREATE INDEX imports_by_file ON imports (file);
CREATE TABLE pieces (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, line INTEGER NOT NULL, end_line INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX pieces_by_file ON pieces (file);
CREATE VIRTUAL TABLE words USING fts5 (text, content = 'pieces', content_rowid = 'id');
INSERT INTO words (words, rank) VALUES ('automerge', 0);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
"""

Known = tuple[Stamp, int, bytes]
"""Of a file in the index: its stamp, when it was read (nanoseconds since 1970), the digest of its bytes."""


class Damaged(Exception):
    """The file is not what it should be."""


class Store:
    """One connection to the file at `path`, for one thread at a time.

    Raises LocalcoderError where there can be none, Damaged wherever it is found to be damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_read_only = False
        self._connection = self._open()
        self._identity = self._identity_of_file()

    def close(self) -> None:
        # The last one to close brings everything into the file, which may fail as any writing may.
        with suppress(sqlite3.Error):
            self._connection.close()

    @property
    def is_there(self) -> bool:
        """Whether the file is still the one that was opened, and was not replaced by another process."""
        return self._identity_of_file() == self._identity

    def replace(self) -> None:
        """Begin anew with an empty file, unless another process did so meanwhile. Raises LocalcoderError."""
        if self.is_read_only:
            raise LocalcoderError(f"{self._path} is damaged.", "Delete it, on a disk that can be written.")
        self.close()
        try:
            with self._opening():
                if self.is_there:
                    for suffix in ("", "-wal", "-shm"):
                        self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise LocalcoderError(f"{self._path} is damaged: {reason(error)}.", "Delete it.") from None
        self._connection = self._open()
        self._identity = self._identity_of_file()

    def check(self) -> None:
        """Look through the whole file for damage. Raises Damaged."""
        with self._translated():
            if self._connection.execute("PRAGMA quick_check (1)").fetchone() != ("ok",):
                raise Damaged(self._path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction: all that is written in it, or nothing."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def fact(self, name: str) -> str:
        found = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return found[0][0] if found else ""

    def set_fact(self, name: str, value: str) -> None:
        """Within `writing`."""
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def known(self) -> dict[bytes, Known]:
        """All files, by their names."""
        rows = self._rows("SELECT name, mtime_ns, ctime_ns, size_bytes, read_ns, digest FROM files")
        return {name: (Stamp(*stamp), read_ns, digest) for name, *stamp, read_ns, digest in rows}

    def known_file(self, name: bytes) -> Known | None:
        rows = self._rows("SELECT mtime_ns, ctime_ns, size_bytes, read_ns, digest FROM files WHERE name = ?", name)
        return (Stamp(*rows[0][:3]), rows[0][3], rows[0][4]) if rows else None

    def put(self, name: bytes, stamp: Stamp, read_ns: int, content: Content) -> None:
        """Within `writing`: what a file holds that is not there, or was removed."""
        execute, many, outline = self._connection.execute, self._connection.executemany, content.outline
        row = (name, stamp.mtime_ns, stamp.ctime_ns, stamp.size_bytes, read_ns, content.digest)
        file = execute("INSERT INTO files VALUES (NULL, ?, ?, ?, ?, ?, ?)", row).lastrowid
        if outline.definitions:
            rows = [
                (file, each.name, each.kind, each.container, each.signature, each.doc, each.line, each.end_line)
                for each in outline.definitions
            ]
            many("INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        if outline.imports:
            imports = [
                (file, each.module, each.name, each.alias, each.line, each.is_export) for each in outline.imports
            ]
            many("INSERT INTO imports VALUES (?, ?, ?, ?, ?, ?)", imports)
        if content.pieces:
            pieces = [(file, each.line, each.end_line, each.text) for each in content.pieces]
            many("INSERT INTO pieces VALUES (NULL, ?, ?, ?, ?)", pieces)
            execute("INSERT INTO words (rowid, text) SELECT id, text FROM pieces WHERE file = ?", (file,))

    def touch(self, name: bytes, stamp: Stamp, read_ns: int) -> None:
        """Within `writing`: the file was looked at, and has the same bytes."""
        self._connection.execute(
            "UPDATE files SET mtime_ns = ?, ctime_ns = ?, size_bytes = ?, read_ns = ? WHERE name = ?",
            (stamp.mtime_ns, stamp.ctime_ns, stamp.size_bytes, read_ns, name),
        )

    def remove(self, name: bytes) -> None:
        """Within `writing`."""
        execute = self._connection.execute
        for (file,) in execute("SELECT id FROM files WHERE name = ?", (name,)).fetchall():
            # Full-text search is told what it has to forget.
            execute(
                "INSERT INTO words (words, rowid, text) SELECT 'delete', id, text FROM pieces WHERE file = ?", (file,)
            )
            for table in ("pieces", "definitions", "imports"):
                execute(f"DELETE FROM {table} WHERE file = ?", (file,))
            execute("DELETE FROM files WHERE id = ?", (file,))

    def tidy(self) -> None:
        """Within `writing`: bring what was added to the full-text search together, so that it is found sooner.

        It does not do that by itself, as whoever saves a file would wait for it.
        """
        self._connection.execute("INSERT INTO words (words) VALUES ('optimize')")

    def names(self) -> list[bytes]:
        return [name for (name,) in self._rows("SELECT name FROM files ORDER BY name")]

    def outline(self, name: bytes) -> Outline | None:
        """None for a file that is not in the index."""
        rows = self._rows("SELECT id FROM files WHERE name = ?", name)
        if not rows:
            return None
        file = rows[0][0]
        fields = "name, kind, container, signature, doc, line, end_line"
        definitions = self._rows(f"SELECT {fields} FROM definitions WHERE file = ? ORDER BY rowid", file)
        imports = self._rows(
            "SELECT module, name, alias, line, is_export FROM imports WHERE file = ? ORDER BY rowid", file
        )
        return Outline(
            tuple(Definition(*row) for row in definitions),
            tuple(
                Import(module, imported, alias, line, bool(is_export))
                for module, imported, alias, line, is_export in imports
            ),
        )

    def pieces(self, name: bytes) -> tuple[Piece, ...]:
        rows = self._rows(
            "SELECT line, end_line, text FROM pieces WHERE file = (SELECT id FROM files WHERE name = ?) ORDER BY line",
            name,
        )
        return tuple(Piece(*row) for row in rows)

    def definitions(self, name: str, limit: int) -> list[tuple[bytes, Definition]]:
        """(file, definition) of what has that name, ordered by file."""
        rows = self._rows(
            "SELECT files.name, d.name, kind, container, signature, doc, line, end_line FROM definitions AS d"
            " JOIN files ON files.id = d.file WHERE d.name = ? ORDER BY files.name, line LIMIT ?",
            name,
            limit,
        )
        return [(row[0], Definition(*row[1:])) for row in rows]

    def frequencies(self, words: Sequence[str]) -> dict[str, int]:
        """In how many pieces each word is; words that are in none are left out."""
        marks = ", ".join("?" * len(words))
        return dict(self._rows(f"SELECT term, doc FROM vocabulary WHERE term IN ({marks})", *words))

    def search(self, words: Iterable[str], limit: int) -> list[tuple[bytes, Piece, float]]:
        """(file, piece, BM25, higher is better) of pieces with any of these words, the best first."""
        query = " OR ".join(f'"{word}"' for word in words)
        rows = self._rows(
            "SELECT files.name, p.line, p.end_line, p.text, found.score FROM"
            " (SELECT rowid, -bm25(words) AS score FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?) AS found"
            " JOIN pieces AS p ON p.id = found.rowid JOIN files ON files.id = p.file"
            " ORDER BY found.score DESC, files.name, p.line",
            query,
            limit,
        )
        return [(row[0], Piece(*row[1:4]), row[4]) for row in rows]

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self._translated():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if any(words in str(error).lower() for words in _NOT_DAMAGE):
                raise LocalcoderError(f"{self._path}: {error}.", "Free some of the disk, or try again.") from None
            raise Damaged(self._path) from error
        except sqlite3.Error as error:
            raise Damaged(self._path) from error

    def _open(self) -> sqlite3.Connection:
        try:
            with self._opening():
                return self._open_alone()
        except OSError as error:
            return self._open_to_read(reason(error))

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """Only one process at a time makes or replaces the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self._path.with_suffix(".opening"), mode=0o600):
            yield

    def _open_alone(self) -> sqlite3.Connection:
        """Whatever is no index of this version is replaced. Raises OSError."""
        for attempt in range(2):
            # Its journals get the permissions of the file.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                if self._is_ours(connection):
                    return connection
            except sqlite3.OperationalError as error:
                connection.close()
                if attempt or any(words in str(error).lower() for words in _NOT_DAMAGE):
                    raise OSError(f"{error}") from None
            except sqlite3.Error:
                connection.close()
            connection.close()
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        raise OSError("It cannot be made")

    @staticmethod
    def _is_ours(connection: sqlite3.Connection) -> bool:
        """Whether it is an index of this version; an empty file becomes one."""

        def ask(pragma: str) -> Any:
            return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

        ask("journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16000")
        if ask("user_version") == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchall():
            statements = [each for each in _SCHEMA.split(";") if each.strip()]
            versions = [f"PRAGMA application_id = {_APPLICATION}", f"PRAGMA user_version = {_VERSION}"]
            for statement in ("BEGIN IMMEDIATE", *statements, *versions, "COMMIT"):
                connection.execute(statement)
        return bool(ask("application_id") == _APPLICATION and ask("user_version") == _VERSION)

    def _open_to_read(self, why: str) -> sqlite3.Connection:
        """On a disk that cannot be written an index that is there can still be asked."""
        failed = LocalcoderError(
            f"The index {self._path} cannot be written: {why}.", "Make room, or set XDG_CACHE_HOME."
        )
        try:
            connection = sqlite3.connect(f"{self._path.as_uri()}?immutable=1", uri=True, isolation_level=None)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error:
            raise failed from None
        if version != _VERSION:
            connection.close()
            raise failed
        self.is_read_only = True
        return connection

    def _identity_of_file(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
