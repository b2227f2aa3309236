"""An engine without a model whose prompts can be read: an id stands for some characters, the cache holds one prompt."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from localcoder.engine.api import (
    Event,
    Finished,
    ModelInfo,
    ReadEstimate,
    Request,
    SpecialIds,
    Stats,
    Token,
    TokenScore,
)
from localcoder.engine.kv_shift import common_prefix

INFO = ModelInfo(
    name="words", path="words.gguf", architecture="starcoder2", type_name="Q8_0", size_bytes=1, parameters=1,
    n_vocab=1 << 30, n_ctx_train=16_384, n_ctx=16_384, window=4096,
    special=SpecialIds(0, 1, 2, 3, 4, 5, 6), end_ids=(0,),
)  # fmt: skip
_NAMES = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>"]
_WORD = re.compile(r"\w{1,6}|[^\S\n]{1,8}|\n|.", re.DOTALL)


class WordEngine:
    """`tokens_per_s` is how fast it says that it reads."""

    def __init__(self, tokens_per_s: float = 1e6) -> None:
        self.tokens_per_s = tokens_per_s
        self.warmed: list[tuple[int, ...]] = []
        self._pieces = [*_NAMES]
        self._ids = {name: i for i, name in enumerate(_NAMES)}
        self._read: tuple[int, ...] = ()

    async def info(self) -> ModelInfo:
        return INFO

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(self._id(word) for word in _WORD.findall(text)) for text in texts]

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        return [self._pieces[i].encode() for i in ids]

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        self._read = request.ids
        (token,) = (await self.tokenize(["x"]))[0]
        yield Token(token, "x")
        yield Finished("end", Stats(len(request.ids), 0, 1, 0.0, 1.0, 0.0))

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        return ReadEstimate(len(ids), common_prefix(self._read, ids), self.tokens_per_s)

    async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
        self.warmed.append(tuple(ids))
        self._read = tuple(ids)

    async def score(self, ids: Sequence[int], start: int, *, top: int = 0) -> list[TokenScore]:
        """All words are equally likely."""
        likely = math.log(1 / len(self._pieces))
        return [TokenScore(likely, tuple((i, likely) for i in range(top))) for _ in ids[start:]]

    async def cancel(self, request: Request | None = None) -> None:
        pass

    async def close(self) -> None:
        pass

    def _id(self, word: str) -> int:
        if word not in self._ids:
            self._ids[word] = len(self._pieces)
            self._pieces.append(word)
        return self._ids[word]


def count_tokens(text: str) -> int:
    return len(_WORD.findall(text))


@dataclass(frozen=True)
class Prompt:
    """A prompt taken apart: the text before and after the cursor, and "path\\ntext" of each piece of another file."""

    prefix: str
    suffix: str
    snippets: tuple[str, ...]


def read_prompt(text: str) -> Prompt:
    """Of a prompt as text, in any layout. The name of the file, if there is one, is a part of the prefix."""
    *snippets, fim = text.split("<file_sep>")
    assert fim.startswith("<fim_prefix>"), fim[:80]
    before, _, rest = fim.removeprefix("<fim_prefix>").partition("<fim_suffix>")
    suffix, middle, typed = rest.partition("<fim_middle>")
    assert middle and "<fim_" not in suffix + typed
    return Prompt(before + typed, suffix, tuple(snippets[1:]))
