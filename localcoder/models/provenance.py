"""What is known of the files in the models directory, beside themselves: index.json, and a `.sha256` beside each.

The index can be lost: it is then rebuilt from the files, their checksums and the catalogue.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcoder.errors import LocalcoderError
from localcoder.files import reason, write_file

if TYPE_CHECKING:
    from filelock import BaseFileLock

_INDEX = "index.json"
_VERSION = 1
_WAIT_S = 10.0
"""Chosen: whoever holds the index writes a few KB."""


@dataclass(frozen=True)
class Record:
    """Where a file came from. Empty: unknown. `commit` is the hub's, of `repository` and `file`."""

    repository: str = ""
    commit: str = ""
    file: str = ""
    sha256: str = ""
    licence: str = ""


def read(folder: Path) -> dict[str, Record]:
    """Records by file name. Whatever the index holds, this gives an answer: at worst what the files say themselves."""
    try:
        data = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            raise ValueError
        return {str(name): _record(item) for name, item in data["models"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return rebuild(folder)


def of(path: Path) -> Record:
    """The record of one file. What was written over since, by `localcoder convert` for example, is another file."""
    digest = sidecar_digest(path)
    record = read(path.parent).get(path.name, Record())
    return Record(sha256=digest) if digest and record.sha256 not in ("", digest) else record


def rebuild(folder: Path) -> dict[str, Record]:
    """Records from the files alone: their checksums, and what the catalogue says of a file of that checksum."""
    from localcoder.models.catalog import ALL_ENTRIES
    from localcoder.models.licence import OPENRAIL, licence_of

    known = {entry.sha256: entry for entry in ALL_ENTRIES if entry.sha256}
    found = {}
    for path in models_in(folder):
        digest = sidecar_digest(path)
        entry = known.get(digest)
        licence = licence_of(path.name)
        if entry:
            found[path.name] = Record(entry.repository, "", entry.file, digest, OPENRAIL)
        elif digest or licence:
            found[path.name] = Record(sha256=digest, licence=licence)
    return found


def sidecar_digest(path: Path) -> str:
    """The sha256 in `NAME.gguf.sha256`, as sha256sum and `localcoder convert` write it; empty when there is none."""
    try:
        digest = path.with_name(f"{path.name}.sha256").read_text(encoding="ascii").split()[0].lower()
    except (OSError, ValueError, IndexError):
        return ""
    return digest if len(digest) == 64 else ""


def put(folder: Path, name: str, record: Record | None) -> None:
    """Write a file's record and checksum, or, for None, forget them. Raises LocalcoderError."""
    sidecar = folder / f"{name}.sha256"
    with hold(folder, _INDEX, wait_s=_WAIT_S):
        records = read(folder)
        if record is None:
            records.pop(name, None)
            with contextlib.suppress(OSError):
                sidecar.unlink(missing_ok=True)
        else:
            records[name] = record
            if record.sha256 and sidecar_digest(folder / name) != record.sha256:
                _write(sidecar, f"{record.sha256}  {name}\n")
        listed = {key: dataclasses.asdict(records[key]) for key in sorted(records)}
        _write(folder / _INDEX, json.dumps({"version": _VERSION, "models": listed}, indent=1))


def _write(path: Path, text: str) -> None:
    try:
        write_file(path, text)
    except OSError as error:
        raise LocalcoderError(f"{path}: {reason(error)}.", "Check the models directory.") from None


@contextlib.contextmanager
def hold(folder: Path, name: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Be the only process that works on `name` in `folder`. Raises LocalcoderError when another does.

    The lock ends with the process that holds it, however it ends.
    """
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _acquire(folder / f".{name}.lock", wait_s)
    except filelock.Timeout:
        raise LocalcoderError(f"{name} is being worked on by another localcoder.", "Wait for it, or end it.") from None
    except OSError as error:
        raise LocalcoderError(
            f"{folder} cannot be written: {error.strerror or error}.", "Check the models directory's permissions."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _acquire(file: Path, wait_s: float) -> BaseFileLock:
    from filelock import FileLock, SoftFileLock

    with warnings.catch_warnings():
        # That a disk has no locks is nothing that a user must do something about.
        warnings.simplefilter("ignore")
        lock: BaseFileLock = FileLock(file, timeout=wait_s, thread_local=False)
        try:
            lock.acquire()
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
                raise
            lock = SoftFileLock(file.with_name(f"{file.name}.soft"), timeout=wait_s, thread_local=False)
            lock.acquire()
    return lock


def models_in(folder: Path, pattern: str = "*.gguf") -> list[Path]:
    """Files and links in a directory, sorted; none when it cannot be read (a network disk that is gone)."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _record(item: dict[str, Any]) -> Record:
    return Record(**{field.name: str(item.get(field.name, "")) for field in dataclasses.fields(Record)})
