"""An engine without a model: it says what it is told to, as slowly as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from localcoder.engine.api import (
    Event,
    Finished,
    ModelInfo,
    ReadEstimate,
    ReadProgress,
    Request,
    SpecialIds,
    Stats,
    Token,
    TokenScore,
)

INFO = ModelInfo(
    name="fake", path="fake.gguf", architecture="starcoder2", type_name="Q8_0", size_bytes=1, parameters=1,
    n_vocab=200_000, n_ctx_train=16_384, n_ctx=16_384, window=4096,
    special=SpecialIds(0, 1, 2, 3, 4, 5, 6), end_ids=(0,),
)  # fmt: skip


@dataclass
class FakeEngine:
    """One id a character, moved up by 10 to keep clear of the control tokens."""

    answers: list[str] = field(default_factory=lambda: ["answer"])
    """What each request gets, in turn; the last one again and again."""
    logprob: float = -0.5
    token_s: float = 0.0
    reading_s: float = 0.0
    load_s: float = 0.0
    info_value: ModelInfo = INFO
    failures: list[Exception] = field(default_factory=list)
    """Raised by the next requests, one each."""
    requests: list[Request] = field(default_factory=list)
    warmed: list[tuple[int, ...]] = field(default_factory=list)
    cancelled: int = 0
    closed: bool = False

    async def info(self) -> ModelInfo:
        await asyncio.sleep(self.load_s)
        self.load_s = 0.0
        return self.info_value

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(ord(character) + 10 for character in text) for text in texts]

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        return [chr(id - 10).encode() if id >= 10 else f"<{id}>".encode() for id in ids]

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        finished = False
        try:
            total = len(request.ids)
            for step in range(5):
                await asyncio.sleep(self.reading_s / 5)
                yield ReadProgress(total * (step + 1) // 5, total, 0, self.reading_s * (step + 1) / 5)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            for character in answer:
                await asyncio.sleep(self.token_s)
                yield Token(ord(character) + 10, character, self.logprob)
            finished = True
            yield Finished("end", Stats(total, 0, len(answer), self.reading_s, 20.0, 1.0))
        finally:
            self.cancelled += not finished

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        return ReadEstimate(len(ids), 0, 1e6)

    async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
        self.warmed.append(tuple(ids))

    async def score(self, ids: Sequence[int], start: int, *, top: int = 0) -> list[TokenScore]:
        return [TokenScore(self.logprob, tuple((i, self.logprob) for i in range(top))) for _ in ids[start:]]

    async def cancel(self, request: Request | None = None) -> None:
        self.cancelled += 1

    async def close(self) -> None:
        self.closed = True
