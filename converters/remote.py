"""A checkpoint on a hub: described by its headers, fetched shard by shard, each deleted after its use.

The hub itself is handed in (`Hub`), so that nothing here knows of HTTP. What was fetched is kept until it is whole and
checked, so that an interrupted run goes on where it ended.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from converters.checkpoint import (
    INDEX_NAME,
    MAX_HEADER_BYTES,
    SINGLE_NAME,
    Checkpoint,
    SourceTensor,
    add_shard,
    check_index,
    header_length,
    parse_header,
    parse_index,
    read_json_file,
)
from converters.errors import ConvertError
from converters.output import make_directory
from converters.progress import Progress

SMALL_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "README.md",
)
"""Files fetched beside the weights, where the repository has them."""

_POLL_S = 0.1
"""Seconds between two looks at how much was fetched. Chosen: a bar looks smooth."""

_STOP_S = 2.0
"""Seconds that a stopped download may take to end. Chosen: enough for a block unless the connection is dead."""

_HASH_BLOCK = 8 << 20
"""Bytes hashed between two events. Chosen: some milliseconds of one core."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it; `sha256` is empty where the hub knows none (small files)."""

    name: str
    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True)
class RemoteRepository:
    """A repository at one commit; `page` is where a person finds it."""

    name: str
    commit: str
    page: str
    files: Mapping[str, RemoteFile]


class Hub(Protocol):
    """What is needed of a hub. Methods raise an error that says what happened; they may be called from any thread."""

    def find(self, repository: str, revision: str) -> RemoteRepository:
        """The files of a repository at a branch, tag or commit."""
        ...

    def read(self, repository: RemoteRepository, name: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive) of a file."""
        ...

    def download(self, repository: RemoteRepository, file: RemoteFile, target: Path, stop: threading.Event) -> None:
        """Append to `target` what it lacks of a file; return early when `stop` is set."""
        ...


def open_remote(hub: Hub, name: str, revision: str, folder: Path) -> tuple[Checkpoint, RemoteRepository]:
    """Fetch the small files of a checkpoint into `folder`, and read the headers of its shards on the hub."""
    repository = hub.find(name, revision)
    if "config.json" not in repository.files:
        raise ConvertError(
            f"{name} has no config.json.", "Give a checkpoint; GGUF files need no conversion.", exit_code=2
        )
    make_directory(folder)
    for small in SMALL_FILES:
        if small in repository.files:
            (folder / small).write_bytes(_read_small(hub, repository, small))
    config = read_json_file(folder / "config.json")
    weight_map: dict[str, str] = {}
    if SINGLE_NAME in repository.files:
        shards = [SINGLE_NAME]
    elif INDEX_NAME in repository.files:
        weight_map = parse_index(_read_small(hub, repository, INDEX_NAME), INDEX_NAME)
        (folder / INDEX_NAME).write_bytes(_read_small(hub, repository, INDEX_NAME))
        shards = sorted(set(weight_map.values()))
    else:
        raise ConvertError(f"{name} has no safetensors files.", "Convert a checkpoint that has.", exit_code=2)
    tensors: dict[str, SourceTensor] = {}
    sizes = {}
    for shard in shards:
        if shard not in repository.files:
            raise ConvertError(f"{name} has no {shard}, although its index says so.", exit_code=2)
        sizes[shard] = repository.files[shard].size_bytes
        length = header_length(hub.read(repository, shard, 0, min(8, sizes[shard])), sizes[shard], shard)
        add_shard(tensors, parse_header(hub.read(repository, shard, 8, 8 + length), sizes[shard], shard), shard)
    check_index(weight_map, tensors)
    return Checkpoint(folder, config, tensors, sizes, name.rsplit("/", 1)[-1], repository.page), repository


class RemoteShards:
    """Fetches a shard before it is read and, unless `keep`, deletes it after."""

    def __init__(
        self, hub: Hub, repository: RemoteRepository, shards: Sequence[str], folder: Path, *, keep: bool
    ) -> None:
        self._hub, self._repository, self._folder, self._keep = hub, repository, folder, keep
        self._shards = list(shards)
        self._whole: set[str] = set()

    @property
    def fetches_all(self) -> bool:
        return self._keep

    def identity(self, shard: str) -> str:
        """The hub's sha256; its commit where it knows none."""
        file = self._repository.files[shard]
        return file.sha256 or f"{self._repository.name} {self._repository.commit} {shard} {file.size_bytes}"

    def space(self) -> Sequence[tuple[Path, int]]:
        """The largest shard, or all of them if they are kept."""
        files = [self._repository.files[shard] for shard in self._shards if not (self._folder / shard).exists()]
        files = files if self._keep else sorted(files, key=lambda file: -file.size_bytes)[:1]
        return [(self._folder / file.name, file.size_bytes) for file in files]

    def fetch(self, shard: str) -> Iterator[Progress]:
        """Download and check a shard; one whose sha256 is not the hub's is fetched once more, and then refused."""
        if shard in self._whole and (self._folder / shard).exists():
            return
        file, path = self._repository.files[shard], self._folder / shard
        part = self._folder / f"{shard}.part"
        if path.exists():
            path.replace(part)
        for attempt in (1, 2):
            yield from download(self._hub, self._repository, file, part)
            digest = yield from digest_of(part)
            if part.stat().st_size == file.size_bytes and digest == (file.sha256 or digest):
                part.replace(path)
                self._whole.add(shard)
                return
            part.unlink()
            if attempt == 2:
                raise ConvertError(
                    f"{shard} is not what the hub says: its sha256 is {digest[:12]}…, not {file.sha256[:12]}….",
                    "Try later; something between here and the hub changes it.",
                    is_passing=True,
                )
        return

    @contextmanager
    def _opened(self, shard: str) -> Iterator[Path]:
        # After a failure the shard stays, so that the next run need not fetch it again.
        yield self._folder / shard
        if not self._keep:
            (self._folder / shard).unlink(missing_ok=True)

    def open(self, shard: str) -> AbstractContextManager[Path]:
        return self._opened(shard)

    def remove(self) -> None:
        """Delete the folder with all that was fetched."""
        shutil.rmtree(self._folder, ignore_errors=True)


def download(hub: Hub, repository: RemoteRepository, file: RemoteFile, part: Path) -> Iterator[Progress]:
    """Append to `part` what it lacks of a file. When this is closed or fails, `part` stays for the next run."""
    part.touch()
    if part.stat().st_size > file.size_bytes:
        part.write_bytes(b"")
    stop, failure = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            hub.download(repository, file, part, stop)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="download", daemon=True)
    begun_at, begun_with = time.monotonic(), part.stat().st_size
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_S)
            done = part.stat().st_size
            rate = max(0, done - begun_with) / max(time.monotonic() - begun_at, 1e-9)
            yield Progress("download", done, file.size_bytes, rate)
    finally:
        stop.set()
        # A connection that is silent keeps the thread waiting; whoever cancels should not wait with it.
        thread.join(_STOP_S)
    if failure:
        raise failure[0]


def digest_of(path: Path) -> Generator[Progress, None, str]:
    """Read a file: yields how far it is, and returns its sha256."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
            done += len(block)
            yield Progress("check", done, total, 0.0)
    return digest.hexdigest()


def _read_small(hub: Hub, repository: RemoteRepository, name: str) -> bytes:
    file = repository.files[name]
    if file.size_bytes > MAX_HEADER_BYTES:
        raise ConvertError(f"{repository.name}: {name} is too large for what it should be.", exit_code=2)
    data = hub.read(repository, name, 0, file.size_bytes)
    if len(data) != file.size_bytes or (file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256):
        raise ConvertError(f"{repository.name}: {name} is not what the hub says.", "Try again later.")
    return data
