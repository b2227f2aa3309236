"""What an engine is: the data that goes in and comes out, and the protocol that every engine follows."""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from localcoder.errors import LocalcoderError

StopReason = Literal["end", "length", "cancelled"]
"""Why an engine stopped: an end token, `max_tokens`, or `cancel()` or a newer request."""

_request_numbers = itertools.count(1)


@dataclass(frozen=True)
class SpecialIds:
    """Ids of the control tokens; None where a vocabulary has no such token."""

    endoftext: int | None = None
    fim_prefix: int | None = None
    fim_middle: int | None = None
    fim_suffix: int | None = None
    fim_pad: int | None = None
    repo_name: int | None = None
    file_sep: int | None = None


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a loaded model. `window` is the sliding window in tokens (0: none)."""

    name: str
    path: str
    architecture: str
    type_name: str
    size_bytes: int
    parameters: int
    n_vocab: int
    n_ctx_train: int
    n_ctx: int
    window: int
    special: SpecialIds
    end_ids: tuple[int, ...]
    redaction_ids: tuple[int, ...] = ()
    """Tokens that stand where personal data was in the training text; nobody wants them in a completion."""
    is_demo: bool = False
    """True for the bundled model: good for trying the program, useless for work."""
    host: str = ""
    """The machine that prompts are sent to; "" for this one."""
    control: tuple[tuple[str, int], ...] = ()
    """All control tokens of the vocabulary, (name, id)."""
    chat_template: str = ""
    """Of a model that was taught to follow instructions: how a conversation is written, as Jinja."""


@dataclass(frozen=True)
class Lora:
    """An adapter on top of the model: a GGUF file and how strongly it counts."""

    path: str
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Lora:
        """FILE or FILE:SCALE. Raises LocalcoderError (exit code 2)."""
        path, colon, scale = text.rpartition(":")
        if not colon or Path(text).exists():
            return cls(text)
        try:
            number = float(scale)
            if not math.isfinite(number):
                raise ValueError
            return cls(path, number)
        except ValueError:
            raise LocalcoderError(f"{scale!r} is not a scale.", "Give FILE:0.5, for example.", exit_code=2) from None


ALTERNATIVE_TEMPERATURE = 0.8
"""For alternatives to a greedy completion, which would all be the same."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen. Temperature 0 is greedy, after the logit bias and the penalties."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int = 0
    logit_bias: tuple[tuple[int, float], ...] = ()

    def of_alternative(self, number: int) -> Sampling:
        """That of the first, which is 0, is this one; the others have seeds of their own and are never greedy."""
        if not number:
            return self
        return replace(self, seed=self.seed + number, temperature=self.temperature or ALTERNATIVE_TEMPERATURE)


@dataclass(frozen=True)
class Request:
    """One generation. `ids` is the whole prompt; what the KV cache already holds of it is not read again."""

    ids: tuple[int, ...]
    max_tokens: int = 128
    sampling: Sampling = field(default_factory=Sampling)
    alternatives: int = 1
    """How many to generate together; those after the first sample with another seed each."""
    logprobs: bool = False
    top_logprobs: int = 0
    """How many of the likeliest tokens are told with each; not every server tells."""
    forced: bytes = b""
    """What the first tokens have to begin with: bytes that were taken off the end of the prompt to heal a token.
    They are not in the text of the tokens."""
    drafts: bool = True
    """Guess tokens from text already seen and verify them together: the same output, sooner."""
    gives_way: bool = False
    """It pauses while requests that do not give way are computed, and then goes on where it was: they do not end it.

    With several alternatives it is a request like others.
    """
    request_id: int = field(default_factory=lambda: next(_request_numbers))


@dataclass(frozen=True)
class ReadProgress:
    """The prompt is being read: `done` of `total` tokens, `reused` of them from the KV cache."""

    done: int
    total: int
    reused: int
    elapsed_s: float


@dataclass(frozen=True)
class Token:
    """One generated token. `text` is what became complete UTF-8 with it: empty in the middle of a character."""

    id: int
    text: str
    logprob: float | None = None
    alternative: int = 0
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest ids there and their log-probabilities, best first."""


@dataclass(frozen=True)
class Stats:
    """What a request cost. `first_token_s` counts from the request's arrival; `tokens_per_s` is generation alone."""

    tokens_read: int
    tokens_reused: int
    tokens_generated: int
    first_token_s: float
    tokens_per_s: float
    elapsed_s: float


@dataclass(frozen=True)
class Ended:
    """One of several alternatives is over while others may go on."""

    alternative: int
    reason: StopReason


@dataclass(frozen=True)
class Finished:
    """The last event of every generation; with several alternatives the reason is the first one's."""

    reason: StopReason
    stats: Stats


Event = ReadProgress | Token | Ended | Finished


@dataclass(frozen=True)
class MatrixInputs:
    """What a matrix was multiplied with: Σx² of `rows` inputs by column, as float64 in the machine's byte order.

    `name` is the matrix's in the GGUF file.
    """

    name: str
    rows: int
    sums: bytes


@dataclass(frozen=True)
class ReadEstimate:
    """What reading a prompt would cost now: `reusable` of its `total` tokens are in the KV cache.

    `approximate` of them were computed when other text stood before them.
    """

    total: int
    reusable: int
    tokens_per_s: float
    """Reading speed of a batch, as last measured."""
    approximate: int = 0

    @property
    def unread(self) -> int:
        return self.total - self.reusable

    @property
    def seconds(self) -> float:
        return self.unread / self.tokens_per_s if self.tokens_per_s > 0 else 0.0


@dataclass(frozen=True)
class TokenScore:
    """How likely a token was where it stands, as a natural logarithm.

    `top` are the likeliest ids there and their log-probabilities, best first.
    """

    logprob: float
    top: tuple[tuple[int, float], ...] = ()


class Engine(Protocol):
    """Reads token ids and generates tokens. One request runs at a time: a new one ends or pauses the one before it."""

    async def info(self) -> ModelInfo:
        """The model, loaded first if it never was. Raises LocalcoderError when it cannot be."""
        ...

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Ids of each text by itself; user text never becomes a control token."""
        ...

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The exact bytes of each id; control tokens give their names."""
        ...

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        """What reading these ids would cost now. Answers at once, also while a request runs."""
        ...

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """ReadProgress while reading, then tokens, then Finished. Closing the iterator cancels the request."""
        ...

    async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
        """Read ahead into the KV cache without generating; gives way to any request.

        Without `exact`, the latest text's cells may be shifted to where they stand in `ids`, an approximation. Once a
        cancelled call has returned, nothing is read for it any more.
        """
        ...

    async def score(self, ids: Sequence[int], start: int, *, top: int = 0) -> list[TokenScore]:
        """What the model thinks of `ids[start:]`, each after the ids before it, and of the `top` likeliest there.

        0 < `start` ≤ len(ids). What the KV cache holds of `ids[:start]` is not read again. A newer request ends it, and
        it then raises LocalcoderError, as it does when the context cannot hold the ids.
        """
        ...

    async def cancel(self, request: Request | None = None) -> None:
        """End this request, or whatever is running or waiting now, within 150 ms."""
        ...

    async def close(self) -> None:
        """End the worker and free the model, for good."""
        ...


@runtime_checkable
class Unloadable(Protocol):
    """An engine that takes memory here."""

    async def unload(self) -> None:
        """Give the memory back until the next request; nothing while it is busy."""
        ...


class LocalOnly(Engine, Protocol):
    """What an engine can do whose model lies in this machine's memory."""

    def calibrate(self, chunks: Sequence[Sequence[int]]) -> AsyncGenerator[int | MatrixInputs, None]:
        """Run sequences of ids, each from position 0, and watch what the model's matrices are multiplied with.

        Yields the tokens done so far after each, and at the end what went into each matrix. The model has to be in main
        memory (no layer on a GPU). Closing the iterator cancels it. Raises LocalcoderError.
        """
        ...
