"""Looking after the models directory: are its files what they should be, and which of them are unused."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from converters.output import is_being_written
from converters.progress import Progress
from converters.remote import digest_of
from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.models import provenance
from localcoder.models.converter_errors import as_user_error
from localcoder.models.store import Installed
from localcoder.progress import finish

if TYPE_CHECKING:
    from converters.inspection import Inspection

State = Literal["good", "damaged", "unknown"]


@dataclass(frozen=True)
class Verified:
    """`state` "unknown": it has no checksum to compare with, and its header says nothing against it."""

    name: str
    path: Path
    state: State
    what: str
    sha256: str


@dataclass(frozen=True)
class Leftover:
    """An unused file. `why` is a few words for people."""

    path: Path
    size_bytes: int
    why: str


def verify(model: Installed) -> Generator[Progress, None, Verified]:
    """Read a model and compare its sha256 with what it was when it came; yields how far it is."""
    known = _known_digest(model)
    try:
        digest = yield from digest_of(model.path)
    except OSError as error:
        return Verified(model.name, model.path, "damaged", f"cannot be read: {error.strerror}", "")
    if known and digest != known:
        return Verified(model.name, model.path, "damaged", f"its sha256 is not {known[:12]}…", digest)
    found = header_of(model.path)
    fatal = [problem.what for problem in found.problems if not problem.repairable]
    if fatal:
        return Verified(model.name, model.path, "damaged", fatal[0], digest)
    if known:
        return Verified(model.name, model.path, "good", "as it came", digest)
    return Verified(model.name, model.path, "unknown", "no checksum is known; its header is sound", digest)


def header_of(path: Path) -> Inspection:
    """What a GGUF file's header says, and what is wrong with it. Raises LocalcoderError when there is no such file."""
    from converters.inspection import inspect

    with as_user_error():
        return finish(inspect(path, data=False))


def _known_digest(model: Installed) -> str:
    if model.path.parent == paths.models_dir() and (digest := provenance.of(model.path).sha256):
        return digest
    return provenance.sidecar_digest(model.path) or provenance.sidecar_digest(Path(os.path.realpath(model.path)))


def leftovers(*, parts: bool = True) -> list[Leftover]:
    """What lies in the models directory unused. With `parts`: interrupted pulls and conversions too."""
    folder = paths.models_dir()
    found = []
    try:
        listed = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LocalcoderError(f"{folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
    for path in listed:
        if why := _why_useless(path, parts=parts):
            size = path.lstat().st_size if os.path.lexists(path) else 0
            found.append(Leftover(path, size, why))
    return found


def _why_useless(path: Path, *, parts: bool) -> str:
    name = path.name
    if name.endswith(".gguf"):
        return "a link to nothing" if path.is_symlink() and not path.exists() else ""
    if name.endswith((".gguf.part", ".gguf.part.json")):
        return "an interrupted pull" if parts else ""
    if match := re.fullmatch(r"\.(.+\.gguf)\.(?:partial|journal)", name):
        if all(path.with_name(f".{match[1]}.{end}").exists() for end in ("partial", "journal")):
            return "an interrupted conversion" if parts else ""
        return "half a file"
    if name.endswith(".partial") and name.startswith("."):
        return "half a file"
    if name.endswith(".gguf.sha256"):
        return "" if path.with_suffix("").exists() else "the checksum of nothing"
    if match := re.fullmatch(r"\.(.+\.gguf)\.lock(?:\.soft)?", name):
        return "" if path.with_name(f"{match[1]}.part").exists() and not parts else "a lock"
    return ""


def delete(leftover: Leftover) -> bool:
    """Delete it, unless a running localcoder is working on it; says whether it is gone. Raises LocalcoderError."""
    match = re.match(r"\.?(.+?\.gguf)(?:\.|$)", leftover.path.name)
    name = match[1] if match else leftover.path.name
    if is_being_written(leftover.path.with_name(name)):
        return False
    try:
        with provenance.hold(leftover.path.parent, name):
            leftover.path.unlink(missing_ok=True)
            # The lock's own file goes while it is held: whoever waits for it then finds another.
            leftover.path.with_name(f".{name}.lock").unlink(missing_ok=True)
    except LocalcoderError as error:
        if "being worked on" in error.what:
            return False
        raise
    except OSError as error:
        raise LocalcoderError(
            f"{leftover.path} cannot be deleted: {error.strerror}.", "Check its permissions."
        ) from None
    return True
