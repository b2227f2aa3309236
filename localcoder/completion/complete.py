"""The pipeline: document → window → layout → engine → stopping → trim → completion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from localcoder.completion.document import Document
from localcoder.engine.api import Engine, Progress, Sampling, Stats, Token

LayoutName = Literal["psm", "spm"]
Mode = Literal["line", "block", "free"]


@dataclass(frozen=True)
class Options:
    """How a completion is made. `max_prompt_tokens` None: as much as the model's context holds."""

    layout: LayoutName = "spm"
    mode: Mode = "block"
    max_tokens: int = 96
    max_prompt_tokens: int | None = None
    sampling: Sampling = Sampling()
    logprobs: bool = False
    time_budget_s: float | None = None


@dataclass(frozen=True)
class TextDelta:
    """More text at the cursor that is sure to be part of the completion."""

    text: str


@dataclass(frozen=True)
class Completion:
    """The last update. `text` is the whole completion; `tokens` what was generated, before any trimming."""

    text: str
    reason: str
    stats: Stats
    model: str
    prompt_ids: tuple[int, ...]
    tokens: tuple[Token, ...]


Update = Progress | TextDelta | Completion


def complete(document: Document, engine: Engine, options: Options | None = None) -> AsyncIterator[Update]:
    """Progress while the prompt is read, text as it becomes certain, and the Completion at the end.

    Closing the iterator cancels the request. Raises LocalcoderError when the engine cannot serve it.
    """
    raise NotImplementedError
