"""What is compared: a model, with or without an adapter, in a layout, with prompts of some length and context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from localcoder.completion.context.level import Level
from localcoder.completion.layout import LayoutName
from localcoder.engine.api import Lora
from localcoder.errors import LocalcoderError

_CONTEXT_NAMES: dict[Level, str] = {
    "off": "alone",
    "open files": "open files",
    "repository": "repository",
    "repository and libraries": "libraries",
}
"""In a candidate's name."""


@dataclass(frozen=True)
class Candidate:
    """`prompt_tokens` is the most that its prompts have. Candidates have different names."""

    name: str
    model: Path
    loras: tuple[Lora, ...]
    layout: LayoutName
    prompt_tokens: int
    context: Level = "off"

    @property
    def loaded(self) -> tuple[Path, tuple[Lora, ...]]:
        """What has to be loaded for it: candidates that share it are measured one after the other."""
        return self.model, self.loras

    @property
    def identity(self) -> tuple[object, ...]:
        """All of it that a result depends on. Files count by their path, size and time. Raises LocalcoderError."""
        files = [_identity(path) for path in (self.model, *(Path(lora.path) for lora in self.loras))]
        return (*files, *(lora.scale for lora in self.loras), self.layout, self.prompt_tokens, self.context)


def make_candidates(
    models: Sequence[Path],
    loras: Sequence[Lora],
    layouts: Sequence[LayoutName],
    lengths: Sequence[int],
    contexts: Sequence[Level] = ("off",),
) -> list[Candidate]:
    """Each model alone and with each adapter, in each layout, with each length of prompts, at each level of context.

    A name says what differs between them. Raises LocalcoderError (exit code 2) when two would be the same.
    """
    found = []
    adapters: list[tuple[Lora, ...]] = [(), *((lora,) for lora in loras)]
    stems = [model.stem for model in models]
    for (model, stem), adapter, layout, tokens, context in product(
        zip(models, stems, strict=True), adapters, layouts, lengths, contexts
    ):
        parts = [stem if stems.count(stem) == 1 else str(model)]
        parts += [f"+{Path(lora.path).stem}" + (f":{lora.scale:g}" if lora.scale != 1 else "") for lora in adapter]
        parts += [layout] if len(layouts) > 1 else []
        parts += [f"{tokens} tokens"] if len(lengths) > 1 else []
        parts += [_CONTEXT_NAMES[context]] if len(contexts) > 1 else []
        found.append(Candidate(" ".join(parts), model, adapter, layout, tokens, context))
    names = [candidate.name for candidate in found]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise LocalcoderError(f"{doubled} is there twice.", "Name each candidate once.", exit_code=2)
    return found


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        found = path.resolve().stat()
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be read: {error.strerror}.", "Check the path.", exit_code=2) from None
    return str(path.resolve()), found.st_size, found.st_mtime_ns
