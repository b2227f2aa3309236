"""Models on this machine: a path or a name becomes a file."""

from __future__ import annotations

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
