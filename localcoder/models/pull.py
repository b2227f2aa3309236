"""Fetching a model from the Hugging Face hub: resumed at the byte, checked, and moved into place when it is whole."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from converters.progress import Progress
from converters.remote import RemoteFile, RemoteRepository, digest_of, download
from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.files import publish, reason, write_file
from localcoder.models import provenance
from localcoder.models.hub import HuggingFaceHub, NoSuchFile, NoSuchRevision
from localcoder.models.licence import licence_of
from localcoder.models.references import Source, choose_file

_SPARE_BYTES = 1 << 20
"""For the checksum, the index, and what the file system needs beside the data."""


@dataclass(frozen=True)
class PartState:
    """Of what a `.part` file is the beginning. It stands beside it, in `.part.json`."""

    repository: str
    commit: str
    file: str
    size_bytes: int
    sha256: str


def fetch(source: Source, hub: HuggingFaceHub | None = None) -> Generator[Progress, None, Path]:
    """Fetch a file into the models directory; yields how far it is and returns its path.

    What was fetched stays in a `.part` file when this is closed, fails or is killed, and the next call goes on from
    there, at the same commit, whatever was published since. Raises LocalcoderError.
    """
    hub = hub or HuggingFaceHub()
    if not source.file:
        source = choose_file(source, list(hub.find(source.repository, source.revision).files))
    _check_name(source)
    target = paths.models_dir() / source.local_name
    if is_here(source):
        return target
    with provenance.hold(target.parent, target.name), _readable_disk_errors(target):
        # Another process may have fetched it while this one waited.
        if is_here(source):
            return target
        part = part_of(target)
        repository, file = _locate(hub, source, read_state(part))
        done = part.stat().st_size if part.exists() else 0
        if done > file.size_bytes:
            _discard(part)
            done = 0
        _check_space(target.parent, file.size_bytes - done)
        state = PartState(repository.name, repository.commit, file.name, file.size_bytes, file.sha256)
        write_file(_state_file(part), json.dumps(state.__dict__))
        yield from download(hub, repository, file, part)
        digest = yield from digest_of(part)
        if digest != (file.sha256 or source.sha256 or digest):
            _discard(part)
            raise LocalcoderError(f"{file.name} is not what was published: its checksum differs.", "Pull it again.")
        licence = licence_of(repository.name, file.name)
        record = provenance.Record(repository.name, repository.commit, file.name, digest, licence)
        # Before the file has its name: what is there under it was checked, whenever this process is killed.
        provenance.put(target.parent, target.name, record)
        publish(part, target)
        _state_file(part).unlink(missing_ok=True)
    return target


def is_here(source: Source) -> bool:
    """Whether the file is in the models directory already; raises LocalcoderError if another one has its name."""
    target = paths.models_dir() / source.local_name
    if not target.is_file():
        return False
    record = provenance.of(target)
    other = record.repository and (record.repository, record.file) != (source.repository, source.file)
    if other or (source.revision and record.commit and record.commit != source.revision):
        origin = f"{record.repository}@{record.commit[:8]}".rstrip("@")
        raise LocalcoderError(
            f"There is a model {target.stem} already, from {origin}.", "Give this one a name: --as NAME.", exit_code=2
        )
    return True


def part_of(target: Path) -> Path:
    """Where what is fetched of a file lies until it is whole."""
    return target.with_name(f"{target.name}.part")


def read_state(part: Path) -> PartState | None:
    """Of what a `.part` file is the beginning; None when that is not known, or there is none."""
    try:
        return PartState(**json.loads(_state_file(part).read_text(encoding="utf-8"))) if part.exists() else None
    except (OSError, ValueError, TypeError):
        return None


def _state_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _locate(hub: HuggingFaceHub, source: Source, state: PartState | None) -> tuple[RemoteRepository, RemoteFile]:
    """The file to fetch: at the commit that the `.part` is of, as long as that is what is asked for and available."""
    part = part_of(paths.models_dir() / source.local_name)
    same = state and (state.repository, state.file) == (source.repository, source.file)
    if state and same and source.revision in ("", state.commit):
        with contextlib.suppress(NoSuchFile, NoSuchRevision):
            repository, file = hub.locate(source.repository, source.file, state.commit)
            if (file.size_bytes, file.sha256) == (state.size_bytes, state.sha256):
                return repository, file
    try:
        repository, file = hub.locate(source.repository, source.file, source.revision)
    except NoSuchFile as error:
        files = [name for name in hub.find(source.repository, source.revision).files if name.endswith(".gguf")]
        raise LocalcoderError(error.what, f"It has: {', '.join(sorted(files)[:12])}.", exit_code=2) from None
    if state != PartState(repository.name, repository.commit, file.name, file.size_bytes, file.sha256):
        _discard(part)
    return repository, file


def _check_name(source: Source) -> None:
    if not source.local_name.lower().endswith(".gguf"):
        raise LocalcoderError(
            f"{source.file} is not a GGUF file.", f"Convert it: localcoder convert {source.repository}", exit_code=2
        )
    if re.search(r"-\d{5}-of-\d{5}\.gguf$", source.file):
        raise LocalcoderError(f"{source.file} is a part of a model.", "Take one that is a single file.", exit_code=2)


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _SPARE_BYTES > free:
        raise LocalcoderError(
            f"{needed / 1e9:.2f} GB are needed in {folder}, {free / 1e9:.2f} GB are free.", "Make room and pull again."
        )


@contextlib.contextmanager
def _readable_disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalcoderError(
            f"{target}: {reason(error)}.", "What was fetched is kept; pulling again goes on from there."
        ) from None
