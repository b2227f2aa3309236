"""A checkpoint becomes GGUF files: what is wanted is checked, planned, and made. A plan can be had by itself too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from converters.checkpoint import Checkpoint, open_checkpoint
from converters.convert import GOES_ON, Written, run
from converters.errors import ConvertError
from converters.lora import convert_adapter, is_adapter, read_adapter
from converters.model import output_path, read_model
from converters.plan import refuse_overwriting
from converters.progress import Progress
from converters.remote import RemoteShards, open_remote
from converters.request import ConversionRequest, Prepared, check, prepare
from converters.rows import LocalShards, ShardSource
from converters.sizes import parse_size
from converters.unfinished import left_over
from localcoder.errors import LocalcoderError
from localcoder.models.converter_errors import as_user_error
from localcoder.models.hub import HuggingFaceHub


@dataclass(frozen=True)
class Conversion:
    """What to make, and of what: `checkpoint` is a folder, or, as text, OWNER/NAME on the hub as well.

    `out` is a directory, or a .gguf file. `types` are recipes' names or "auto"; `fit` and `split_max_size` are sizes as
    people write them, `bpw` is bits a weight. `revision`, and `keep` for what is fetched, matter on the hub alone. What
    is empty or 0 is unset.
    """

    checkpoint: Path | str
    out: Path
    types: tuple[str, ...] = ()
    fit: str = ""
    bpw: float = 0.0
    imatrix: Path | None = None
    split_max_size: str = ""
    revision: str = ""
    keep: bool = False
    threads: int = 0


def is_repository(checkpoint: Path | str) -> bool:
    """Whether this means a repository on the hub: OWNER/NAME as text, and no such path here."""
    if isinstance(checkpoint, Path):
        return False
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", checkpoint)) and not Path(checkpoint).exists()


def plan(wanted: Conversion, *, errors: bool = False) -> Generator[Progress, None, Prepared]:
    """Say to the byte what `convert` would write, and write nothing. Raises LocalcoderError.

    `errors`: the error of every tensor is measured, which reads all weights; never of what is on the hub.
    """
    with as_user_error():
        request = _request(wanted)
        if is_adapter(Path(wanted.checkpoint)):
            raise LocalcoderError("An adapter is not planned, only converted.", "Leave --dry-run out.", exit_code=2)
        check(request)
        with _opened(wanted) as source:
            errors = errors and not is_repository(wanted.checkpoint)
            return (yield from prepare(request, read_model(source.checkpoint), source.shards, errors=errors))


def convert(
    wanted: Conversion, say: Callable[[str], object] = lambda line: None
) -> Generator[Progress, None, tuple[Written, ...]]:
    """Turn a checkpoint, or a PEFT LoRA adapter, into GGUF files; yields how far it is and returns them.

    Closing this stops the work. Of a checkpoint the tensors that were finished are kept, and `say` is told how to go on
    with them; of an adapter nothing half-written stays. Raises LocalcoderError.
    """
    if not is_adapter(Path(wanted.checkpoint)):
        return (yield from convert_checkpoint(wanted, say))
    with as_user_error():
        request = _request(wanted)
        adapter = read_adapter(Path(wanted.checkpoint))
        out = output_path(request.out, adapter.name, "lora", alone=len(request.types) <= 1)
        return (yield from convert_adapter(adapter, out, request.types[0].upper() if request.types else "F32"))


def convert_checkpoint(
    wanted: Conversion, say: Callable[[str], object] = lambda line: None
) -> Generator[Progress, None, tuple[Written, ...]]:
    """As `convert`, for a checkpoint alone: an adapter is refused."""
    with as_user_error():
        request = _request(wanted)
        check(request)
        with _opened(wanted) as source:
            found = source.checkpoint
            prepared = yield from prepare(request, read_model(found), source.shards)
            refuse_overwriting(prepared.plan, [found.directory / shard for shard in found.shards])
            try:
                return (yield from run(prepared.plan, source.shards, request.threads))
            except ConvertError:
                # It says so itself.
                raise
            except BaseException:
                if left_over(prepared.plan):
                    say(GOES_ON)
                raise


def _request(wanted: Conversion) -> ConversionRequest:
    return ConversionRequest(
        out=wanted.out,
        types=wanted.types,
        fit_bytes=parse_size(wanted.fit) if wanted.fit else 0,
        fit_label=wanted.fit.strip(),
        bpw=wanted.bpw,
        imatrix=wanted.imatrix,
        split_max_bytes=parse_size(wanted.split_max_size) if wanted.split_max_size else 0,
        threads=wanted.threads,
    )


@dataclass(frozen=True)
class _Source:
    """A checkpoint, and where its weights come from."""

    checkpoint: Checkpoint
    shards: ShardSource


@contextlib.contextmanager
def _opened(wanted: Conversion) -> Iterator[_Source]:
    """What is on the hub is deleted here again, but only after success: a run that failed goes on where it ended."""
    if not is_repository(wanted.checkpoint):
        found = open_checkpoint(Path(wanted.checkpoint))
        yield _Source(found, LocalShards(found.directory))
        return
    repository = str(wanted.checkpoint)
    name = repository.rsplit("/", 1)[-1]
    folder = wanted.out.parent if wanted.out.suffix.lower() == ".gguf" else wanted.out
    folder = folder / (name if wanted.keep else f".{name}.fetched")
    hub = HuggingFaceHub()
    found, listed = open_remote(hub, repository, wanted.revision, folder)
    # What chooses types by values reads the weights before the conversion does.
    twice = bool(wanted.fit or wanted.bpw) or "auto" in [name.lower() for name in wanted.types]
    shards = RemoteShards(hub, listed, list(found.shards), folder, keep=wanted.keep or twice)
    yield _Source(found, shards)
    if not wanted.keep:
        shards.remove()
