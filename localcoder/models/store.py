"""Models on this machine: a path or a name becomes a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from localcoder import paths
from localcoder.errors import LocalcoderError

DEMO = "nano"
"""The bundled demonstration model's name."""


def resolve(model: str | None) -> Path:
    """The GGUF file that `--model` means: None is the bundled model, else a path, else a name in the models directory.

    Raises LocalcoderError when there is no such file.
    """
    if model is None or model == DEMO:
        return paths.bundled_model()
    path = Path(model).expanduser()
    if path.is_file():
        return path
    named = [paths.models_dir() / model, paths.models_dir() / f"{model}.gguf"]
    for candidate in named:
        if candidate.is_file():
            return candidate
    if path.suffix == ".gguf" or len(path.parts) > 1:
        raise LocalcoderError(f"There is no model file {model}.", "Check the path given to --model.", exit_code=2)
    known = ", ".join([DEMO, *sorted(file.stem for file in paths.models_dir().glob("*.gguf"))])
    raise LocalcoderError(f"There is no model named {model!r}.", f"Known: {known}; or give a path.", exit_code=2)


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
    for path in sorted(paths.models_dir().glob("*.gguf")):
        if path.is_file():
            found.append(Installed(path.stem, path, path.stat().st_size))
    return found


def add(path: Path) -> Installed:
    """Make a GGUF file that lies elsewhere known by its name, through a link: nothing is copied.

    Raises LocalcoderError for what is no GGUF file, and for a name that is taken.
    """
    path = path.expanduser().absolute()
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be read: {error.strerror}.", "Check the path.", exit_code=2) from None
    if magic != b"GGUF":
        raise LocalcoderError(f"{path} is not a GGUF file.", "Convert it first: localcoder convert.", exit_code=2)
    link = paths.models_dir() / f"{path.stem}.gguf"
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not (os.path.lexists(link) and link.exists() and link.samefile(path)):
            link.symlink_to(path)
    except FileExistsError:
        raise LocalcoderError(
            f"There is a model {path.stem} already.", "Remove that one, or rename this file.", exit_code=2
        ) from None
    except OSError as error:
        raise LocalcoderError(f"{link} cannot be made: {error.strerror}.", "Use the file by its path.") from None
    return Installed(path.stem, link, path.stat().st_size)


def remove(model: Installed) -> None:
    """Delete a model's file; of one that was added, only the link. Raises LocalcoderError for the bundled model."""
    if model.is_bundled:
        raise LocalcoderError("The bundled model belongs to the program.", "Choose another to start with.", exit_code=2)
    try:
        model.path.unlink(missing_ok=True)
    except OSError as error:
        raise LocalcoderError(f"{model.path} cannot be deleted: {error.strerror}.", "Check its permissions.") from None
