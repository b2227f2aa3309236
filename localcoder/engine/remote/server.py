"""What is common to all kinds of servers: what is asked of one, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from localcoder.engine.api import Sampling, TokenScore

WINDOW = 4096
"""Tokens that StarCoder2 looks back on. A server that does not know it would compute something else past them."""


@dataclass(frozen=True)
class About:
    """What a server says of its model. `context` is what a prompt and its answer may have together, in tokens."""

    model: str
    context: int
    type_name: str = ""
    size_bytes: int = 0
    parameters: int = 0
    n_vocab: int = 0
    window: int = 0


@dataclass(frozen=True)
class Ask:
    """One generation. `text` is the prompt for a server that takes no ids; `end_names` are those of `end_ids`."""

    ids: tuple[int, ...]
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    end_ids: tuple[int, ...] = ()
    text: str = ""
    end_names: tuple[str, ...] = ()
    logprobs: bool = False


def choosing(ask: Ask) -> dict[str, Any]:
    """How tokens are chosen and what ends them, by the names that vLLM and SGLang share."""
    sampling = ask.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repeat_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "stop_token_ids": list(ask.end_ids),
    }


@dataclass(frozen=True)
class Chunk:
    """What one event of a stream says.

    `text` is that of all `ids`, None where a server's own is not to be relied on; there may be text without ids.
    `read` and `reused` count tokens of the prompt, once they are known.
    """

    ids: tuple[int, ...] = ()
    text: str | None = ""
    logprobs: tuple[float | None, ...] = ()
    read: int | None = None
    reused: int | None = None
    read_tokens_per_s: float | None = None
    stop: Literal["end", "length"] | None = None


Reader = Callable[[Mapping[str, Any]], Chunk]
"""Takes the events of one stream in their order."""


@dataclass(frozen=True)
class Tokenized:
    """A text's ids; `pieces` are the exact bytes of each where the server tells them."""

    ids: tuple[int, ...]
    pieces: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Call:
    """A path and a body to post."""

    path: str
    body: Mapping[str, Any]


class Server(Protocol):
    """One kind of server. What it does not offer raises LocalcoderError."""

    @property
    def kind(self) -> str:
        """Its name, for people."""
        ...

    @property
    def takes_ids(self) -> bool:
        """Whether the prompt goes as ids; else as text, with the control tokens' names in it."""
        ...

    async def about(self) -> About: ...

    def generation(self, ask: Ask) -> Call: ...

    def reading(self, ids: Sequence[int]) -> Call | None:
        """What has the server read a prompt ahead; None where nothing would be gained."""
        ...

    def reader(self) -> Reader: ...

    async def tokenize(self, text: str, *, control: bool = False) -> Tokenized:
        """User text, in which no control token counts; with `control`, control tokens by their names."""
        ...

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes of each id, U+FFFD where the server knows them only as text and they are a part of a character."""
        ...

    async def score(self, ids: Sequence[int], start: int, top: int) -> list[TokenScore]:
        """As `api.Engine.score`."""
        ...
