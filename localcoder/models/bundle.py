"""A model in one file, with its licence and checksums, for a machine without a network.

An uncompressed ZIP: `bundle.json` first, then LICENCE.txt and SHA256SUMS, then the GGUF file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from converters.progress import Progress
from converters.remote import digest_of
from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.files import partial_of, replacing
from localcoder.models import provenance
from localcoder.models.licence import OPENRAIL, TERMS, licence_of
from localcoder.models.store import Installed

_MANIFEST, _LICENCE, _SUMS = "bundle.json", "LICENCE.txt", "SHA256SUMS"
_VERSION = 1
_BLOCK_BYTES = 8 << 20
_MANIFEST_LIMIT_BYTES = 1 << 20
_ENCRYPTED = 1
"""In the flags of a file in a ZIP."""
_NOT_A_MANIFEST = (
    *(KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError),
)
"""What JSON and ZIP may raise for what may be anything."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""One time for all: the same model makes the same bundle, and a clock that is wrong does not matter."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of its model. `file` is its name in the bundle and in the models directory."""

    file: str
    size_bytes: int
    record: provenance.Record


def export(model: Installed, target: Path) -> Generator[Progress, None, Path]:
    """Write a model's bundle; yields how far it is. Raises LocalcoderError, also for a file that is not as it came."""
    target = target.expanduser()
    if target.is_dir():
        target = target / f"{model.name}.bundle.zip"
    if os.path.lexists(target) and target.exists() and target.samefile(model.path):
        raise LocalcoderError(f"{target} is the model itself.", "Give another file.", exit_code=2)
    record = provenance.of(model.path)
    if model.path.parent != paths.models_dir():
        licence = "apache-2.0" if model.is_bundled else licence_of(model.path.name)
        record = provenance.Record(sha256=provenance.sidecar_digest(model.path), licence=licence)
    try:
        size = model.path.stat().st_size
        digest = yield from digest_of(model.path)
        if record.sha256 and digest != record.sha256:
            raise LocalcoderError(f"{model.name} is damaged: its checksum differs.", "Pull it again, then export it.")
        _require_space(target.parent, size)
        manifest = Manifest(model.path.name, size, dataclasses.replace(record, sha256=digest))
        with (
            replacing(target, beside=partial_of(target)) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as bundle,
        ):
            described = {"version": _VERSION, **dataclasses.asdict(manifest)}
            _write_text(bundle, _MANIFEST, json.dumps(described, indent=1) + "\n")
            _write_text(bundle, _LICENCE, _licence_text(record))
            _write_text(bundle, _SUMS, f"{digest}  {manifest.file}\n")
            info = zipfile.ZipInfo(manifest.file, _EPOCH)
            info.file_size = size
            with model.path.open("rb") as source, bundle.open(info, "w") as copy:
                yield from _copy("export", source, copy, size)
    except OSError as error:
        raise LocalcoderError(f"{target} cannot be written: {error.strerror}.", "Give another place.") from None
    return target


def read_manifest(source: Path) -> Manifest:
    """What a bundle holds. Raises LocalcoderError (exit code 2) for what is no bundle."""
    with _opened(source) as bundle:
        return _manifest(bundle, source)


def install(source: Path) -> Generator[Progress, None, Installed]:
    """Unpack a bundle's model into the models directory, checked; yields how far it is. Raises LocalcoderError."""
    with _opened(source) as bundle:
        manifest = _manifest(bundle, source)
        target = paths.models_dir() / manifest.file
        with provenance.hold(target.parent, target.name):
            if os.path.lexists(target):
                raise LocalcoderError(f"There is a model {target.stem} already.", "Remove that one first.", exit_code=2)
            try:
                _require_space(target.parent, manifest.size_bytes)
                digest = hashlib.sha256()
                with bundle.open(manifest.file) as packed, replacing(target, beside=partial_of(target)) as copy:
                    yield from _copy("import", packed, copy, manifest.size_bytes, digest.update)
                    if digest.hexdigest() != manifest.record.sha256:
                        raise LocalcoderError(f"{source} is damaged: its checksum differs.", "Copy the bundle again.")
            except OSError as error:
                todo = "Check the models directory."
                raise LocalcoderError(f"{target} cannot be written: {error.strerror}.", todo) from None
            except (zipfile.BadZipFile, EOFError, RuntimeError):
                raise LocalcoderError(f"{source} is damaged.", "Copy the bundle again.") from None
            provenance.put(target.parent, target.name, manifest.record)
    return Installed(target.stem, target, manifest.size_bytes)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        bundle = zipfile.ZipFile(source.expanduser())
    except OSError as error:
        raise LocalcoderError(f"{source} cannot be read: {error.strerror}.", "Check the path.", exit_code=2) from None
    except (zipfile.BadZipFile, NotImplementedError):
        raise LocalcoderError(
            f"{source} is no bundle, or half of one.", "Make one: localcoder models export.", exit_code=2
        ) from None
    with bundle:
        yield bundle


def _manifest(bundle: zipfile.ZipFile, source: Path) -> Manifest:
    if any(item.flag_bits & _ENCRYPTED for item in bundle.infolist()):
        raise LocalcoderError(
            f"{source} is protected by a password.",
            "Unpack it with another program, then add its GGUF.",
            exit_code=2,
        )
    try:
        if bundle.getinfo(_MANIFEST).file_size > _MANIFEST_LIMIT_BYTES:
            raise ValueError
        data = json.loads(bundle.read(_MANIFEST))
        fields = [field.name for field in dataclasses.fields(provenance.Record)]
        record = provenance.Record(**{name: str(data["record"].get(name, "")) for name in fields})
        manifest = Manifest(str(data["file"]), int(data["size_bytes"]), record)
        # The name becomes a path here: it must not lead out of the models directory, nor hide in it.
        is_sound = re.fullmatch(r"\w[\w.+ -]*\.gguf", manifest.file) and len(record.sha256) == 64
        info = bundle.getinfo(manifest.file)
        if not is_sound or info.file_size != manifest.size_bytes or info.compress_type != zipfile.ZIP_STORED:
            raise ValueError
    except _NOT_A_MANIFEST:
        raise LocalcoderError(
            f"{source} is not a bundle of localcoder.", "Make one: localcoder models export.", exit_code=2
        ) from None
    return manifest


def _copy(
    stage: str, source: IO[bytes], target: IO[bytes], total: int, look: Callable[[bytes], None] | None = None
) -> Iterator[Progress]:
    done, begun_at = 0, time.monotonic()
    while block := source.read(_BLOCK_BYTES):
        target.write(block)
        if look:
            look(block)
        done += len(block)
        yield Progress(stage, done, total, done / max(time.monotonic() - begun_at, 1e-9))


def _write_text(bundle: zipfile.ZipFile, name: str, text: str) -> None:
    bundle.writestr(zipfile.ZipInfo(name, _EPOCH), text)


def _licence_text(record: provenance.Record) -> str:
    origin = f"From https://huggingface.co/{record.repository}, commit {record.commit or 'unknown'}, {record.file}.\n\n"
    terms = (
        TERMS if record.licence == OPENRAIL else f"Licence: {record.licence or 'unknown; ask where it came from'}.\n"
    )
    return (origin if record.repository else "") + terms


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LocalcoderError(
            f"{needed / 1e9:.2f} GB are needed in {folder}, {free / 1e9:.2f} GB are free.", "Make room and try again."
        )
