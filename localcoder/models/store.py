"""Models on this machine: a path or a name becomes a file."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.files import partial_of, replacing
from localcoder.models import provenance
from localcoder.models.catalog import DEMO
from localcoder.models.references import LocalModel, Reference, RemoteModel, is_address, parse

if TYPE_CHECKING:
    from converters.progress import Progress

_COPY_BYTES = 8 << 20


def refer(model: str | None) -> Reference:
    """What `--model` means: the URL of a server, or a file as `resolve` finds it. Raises LocalcoderError."""
    if model is not None and is_address(model):
        return RemoteModel(model)
    return LocalModel(resolve(model))


def resolve(model: str | None) -> Path:
    """The GGUF file that `--model` means. Raises LocalcoderError when there is no such file.

    None is the bundled model. What has a separator or ends in .gguf is a path if there is such a file. Anything else is
    a name first: of a file in the models directory, of the catalogue or OWNER/REPOSITORY/FILE for what was pulled under
    it. A file that happens to be called like a model does not stand for it: `./NAME` means the file.
    """
    if model is None or model == DEMO:
        return paths.bundled_model()
    if is_address(model):
        raise LocalcoderError(f"{model} is a server.", "Name a model's file: this is not done on servers.", exit_code=2)
    has_separator = any(separator in model for separator in (os.sep, os.altsep) if separator)
    file = Path(model).expanduser()
    if (has_separator or model.endswith(".gguf")) and _is_file(file):
        return file
    if _is_file(_place(model)):
        return _place(model)
    source = parse(model)
    # A path of two parts looks like OWNER/REPOSITORY; what ends in .gguf was meant as a file.
    if source is not None and not (model.endswith(".gguf") and model.count("/") < 2):
        if found := _pulled(source.repository, source.file):
            return found
        raise LocalcoderError(
            f"{model} is not on this machine.", f"Get it: localcoder models pull {model}", exit_code=2
        )
    if model.endswith(".gguf") or has_separator:
        raise LocalcoderError(f"There is no model file {model}.", "Check the path given to --model.", exit_code=2)
    if _is_file(file):
        return file
    known = ", ".join([DEMO, *(file.stem for file in provenance.models_in(paths.models_dir()))][:20])
    raise LocalcoderError(f"There is no model named {model!r}.", f"Known: {known}; or give a path.", exit_code=2)


def _pulled(repository: str, file: str) -> Path | None:
    folder = paths.models_dir()
    known = provenance.read(folder)
    for name, record in known.items():
        if record.repository == repository and file in ("", record.file) and _is_file(folder / name):
            return folder / name
    # The index may be lost, and the catalogue's file be there under its own name.
    candidate = folder / file.rsplit("/", 1)[-1]
    is_anothers = known.get(candidate.name, provenance.Record()).repository != ""
    return candidate if file and _is_file(candidate) and not is_anothers else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False  # A name longer than the system takes, or a directory that may not be entered.


@dataclass(frozen=True)
class Installed:
    """A model file on this machine. `is_bundled`: it came with the program and cannot be removed."""

    name: str
    path: Path
    size_bytes: int
    is_bundled: bool = False


def installed() -> list[Installed]:
    """The bundled model and what is in the models directory, by name; links to files that are gone are left out."""
    found = []
    if paths.bundled_model().is_file():
        found.append(Installed(DEMO, paths.bundled_model(), paths.bundled_model().stat().st_size, is_bundled=True))
    for path in provenance.models_in(paths.models_dir()):
        # A file may go, or a network disk fail, between the listing and the look.
        with contextlib.suppress(OSError):
            if path.is_file():
                found.append(Installed(path.stem, path, path.stat().st_size))
    return found


def find(name: str) -> Installed:
    """A model on this machine by name or path. Raises LocalcoderError."""
    path = resolve(name)
    is_bundled = path == paths.bundled_model()
    return Installed(DEMO if is_bundled else path.stem, path, path.stat().st_size, is_bundled)


def add(path: Path, name: str = "") -> Installed:
    """Make a GGUF file that lies elsewhere known by its name, through a link: nothing is copied.

    Raises LocalcoderError for what is no GGUF file, and for a name that is taken.
    """
    path = path.expanduser().absolute()
    _require_gguf(path)
    link = _place(name or path.stem)
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not (os.path.lexists(link) and link.exists() and link.samefile(path)):
            link.symlink_to(path)
    except FileExistsError:
        raise _taken(link) from None
    except OSError as error:
        raise LocalcoderError(f"{link} cannot be made: {error.strerror}.", "Use the file by its path.") from None
    return Installed(link.stem, link, path.stat().st_size)


def add_copy(path: Path, name: str = "") -> Generator[Progress, None, Installed]:
    """Copy a GGUF file into the models directory, and check the copy; yields how far it is. Raises as `add` does."""
    import hashlib
    import time

    from converters.progress import Progress
    from localcoder.models.licence import licence_of

    path = path.expanduser().absolute()
    _require_gguf(path)
    target = _place(name or path.stem)
    with provenance.hold(target.parent, target.name):
        if os.path.lexists(target):
            raise _taken(target)
        try:
            total, digest, done, begun_at = path.stat().st_size, hashlib.sha256(), 0, time.monotonic()
            if total > shutil.disk_usage(target.parent).free:
                raise OSError(errno.ENOSPC, "the disk is full")
            with path.open("rb") as source, replacing(target, beside=partial_of(target)) as copy:
                while block := source.read(_COPY_BYTES):
                    copy.write(block)
                    digest.update(block)
                    done += len(block)
                    yield Progress("copy", done, total, done / max(time.monotonic() - begun_at, 1e-9))
        except OSError as error:
            todo = "Make room, or add it without --copy."
            raise LocalcoderError(f"{path} cannot be copied: {error.strerror}.", todo) from None
        record = provenance.Record(sha256=digest.hexdigest(), licence=licence_of(path.name))
        provenance.put(target.parent, target.name, record)
    return Installed(target.stem, target, total)


def remove(model: Installed) -> None:
    """Delete a model's file; of one that was added, only the link. Raises LocalcoderError for the bundled model."""
    if model.is_bundled:
        raise LocalcoderError("The bundled model belongs to the program.", "Choose another to start with.", exit_code=2)
    if model.path.parent != paths.models_dir():
        raise LocalcoderError(
            f"{model.path} is not in the models directory.", "Delete it yourself, if you mean to.", exit_code=2
        )
    try:
        model.path.unlink(missing_ok=True)
    except OSError as error:
        raise LocalcoderError(f"{model.path} cannot be deleted: {error.strerror}.", "Check its permissions.") from None
    provenance.put(paths.models_dir(), model.path.name, None)


def _place(name: str) -> Path:
    return paths.models_dir() / f"{name.removesuffix('.gguf')}.gguf"


def _taken(target: Path) -> LocalcoderError:
    return LocalcoderError(
        f"There is a model {target.stem} already.", "Remove that one, or give this one another name.", exit_code=2
    )


def _require_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be read: {error.strerror}.", "Check the path.", exit_code=2) from None
    if magic != b"GGUF":
        raise LocalcoderError(f"{path} is not a GGUF file.", "Convert it first: localcoder convert.", exit_code=2)
