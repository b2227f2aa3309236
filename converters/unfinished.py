"""Files of a conversion while they are made, kept when it is interrupted, and gone on with by the next one.

Nothing of an earlier run is taken over unchecked: the journal must be of the same request (`file_key`), a tensor is
whole if its bytes have the checksum that the journal gives it, and everything between the tensors is written again.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path

import numpy as np

from converters import ggml
from converters.errors import ConvertError
from converters.imatrix import Columns, columns_of
from converters.journal import Journal, checksum, journal_path
from converters.output import PendingFile, partial_path, sync_directory
from converters.plan import ConversionPlan, PlannedFile, PlannedTensor
from converters.progress import Progress
from converters.rows import Reader, ShardSource, row_blocks, scratch


class UnfinishedFile:
    """One planned file, its header in place. `whole` are the names of the tensors whose bytes are right."""

    def __init__(self, planned: PlannedFile, key: str) -> None:
        self.planned = planned
        self.whole: set[str] = set()
        self.pending = PendingFile(planned.path, planned.size_bytes, keep=True)
        try:
            self._journal = Journal(planned.path, key, is_wanted=self.pending.is_left_over)
        except BaseException:
            if not journal_path(planned.path).exists():
                self.pending.discard()
            self.pending.close()
            raise
        try:
            if not self._journal.claims and self.pending.is_left_over:
                self.pending.empty()
            self._write_between()
        except BaseException:
            self.leave()
            raise

    @property
    def claimed(self) -> list[PlannedTensor]:
        """The tensors that an earlier run says it finished."""
        return [tensor for tensor in self.planned.tensors if tensor.name in self._journal.claims]

    def check(self, tensor: PlannedTensor, reader: Reader) -> bool:
        """Whether the tensor's bytes can be read and have the checksum that the journal gives. From any thread."""
        digests = []
        for first, size in block_spans(tensor):
            data = scratch("check", size)
            try:
                reader.read_into(data, tensor.offset + first)
            except ConvertError:
                return False
            digests.append(hashlib.sha256(data.data).digest())
        return checksum(digests) == self._journal.claims[tensor.name]

    def take_over(self, tensor: PlannedTensor) -> None:
        """Count a checked tensor as made."""
        self.whole.add(tensor.name)
        self.pending.mark_final(tensor.offset, tensor.offset + tensor.size_bytes)

    def note(self, checksums: Mapping[str, str]) -> None:
        """Put the bytes of these tensors (name → checksum) on the disk, and then vouch for them."""
        self.pending.sync()
        self._journal.note(checksums)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether something of it may be whole."""
        return bool(self._journal.claims)

    def commit(self) -> str:
        """Give the file its name; returns its sha256."""
        self._journal.close()
        return self.pending.commit(self._journal.path)

    def leave(self) -> None:
        """Close it for a later run, and remove it if nothing of it is whole. Does nothing once it has its name."""
        if not self.is_worth_keeping:
            self.discard()
        self._journal.close()
        self.pending.close()

    def discard(self) -> None:
        """Remove it. Does nothing once it is closed or has its name."""
        if self.pending.is_open:
            self._journal.remove()
            self.pending.discard()

    def _write_between(self) -> None:
        """Header and padding. An earlier run's padding is no more trusted than its tensors are."""
        self.pending.write_at(0, self.planned.header)
        starts = [*(tensor.offset for tensor in self.planned.tensors[1:]), self.planned.size_bytes]
        for tensor, following in zip(self.planned.tensors, starts, strict=True):
            end = tensor.offset + tensor.size_bytes
            if self.pending.is_left_over:
                self.pending.write_at(end, bytes(following - end))
            else:
                self.pending.mark_final(end, following)


def begin(plan: ConversionPlan, shards: ShardSource) -> list[UnfinishedFile]:
    """The plan's files, each locked against other runs, with what an earlier run left of it."""
    names = dict.fromkeys(tensor.source.shard for planned in plan.files for tensor in planned.tensors)
    identities = {shard: shards.identity(shard) for shard in names}
    files: list[UnfinishedFile] = []
    try:
        for planned in plan.files:
            files.append(UnfinishedFile(planned, file_key(planned, plan.importance, identities)))
    except BaseException:
        for file in files:
            file.leave()
        raise
    for folder in {planned.path.parent for planned in plan.files}:
        # So that a power cut does not take the hidden files' names.
        sync_directory(folder)
    return files


def check_claims(files: Sequence[UnfinishedFile], threads: int) -> Generator[Progress, None, None]:
    """Take over what earlier runs made, as far as the bytes are what their journals say."""
    total = sum(tensor.size_bytes for file in files for tensor in file.claimed)
    done = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="check") as executor:
        for file in files:
            if not file.claimed:
                continue
            with Reader(file.pending.partial) as reader:
                waiting = {executor.submit(file.check, tensor, reader): tensor for tensor in file.claimed}
                try:
                    while waiting:
                        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                            tensor = waiting.pop(future)
                            if future.result():
                                file.take_over(tensor)
                            done += tensor.size_bytes
                        yield Progress("resume", done, total, 0.0)
                except BaseException:
                    # No thread may be left reading when the file is closed.
                    for future in waiting:
                        future.cancel()
                    wait(waiting)
                    raise


def left_over(plan: ConversionPlan) -> list[Path]:
    """The hidden files of a plan that was interrupted, from which the next run goes on."""
    partials = [partial_path(file.path) for file in plan.files if journal_path(file.path).exists()]
    return [path for path in partials if path.exists()]


def block_spans(tensor: PlannedTensor) -> Iterator[tuple[int, int]]:
    """(first byte in the tensor, bytes) of the blocks in which a tensor is made and checked."""
    row = ggml.row_bytes(tensor.type, tensor.shape[-1])
    for first, rows in row_blocks(tensor.shape):
        yield first * row, rows * row


def file_key(planned: PlannedFile, importance: Mapping[str, Columns], identities: Mapping[str, str]) -> str:
    """A digest of all that decides the file's bytes: program, header, weights, types and the importance matrix.

    `identities` says what is in each shard.
    """
    digest = hashlib.sha256(program_digest())
    digest.update(hashlib.sha256(planned.header).digest())
    for tensor in planned.tensors:
        what = [asdict(tensor), identities[tensor.source.shard]]
        columns = columns_of(importance, tensor.name, tensor.shape[-1])
        matrix = b"" if columns is None else np.ascontiguousarray(columns).tobytes()
        digest.update(json.dumps(what).encode() + b"\n" + hashlib.sha256(matrix).digest())
    return digest.hexdigest()


@functools.cache
def program_digest() -> bytes:
    """A digest of the code that makes the bytes: this package's modules, and ggml's quantizers."""
    digest = hashlib.sha256()
    for path in [*sorted(Path(__file__).parent.glob("*.py*")), ggml.library_path()]:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.digest()
