"""While a server is away, a local model with the same vocabulary answers; the server is back as soon as it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from localcoder.engine.api import Engine, Event, ModelInfo, ReadEstimate, Request, Token, TokenScore
from localcoder.engine.remote.failures import ServerAway
from localcoder.errors import LocalcoderError

_Answer = TypeVar("_Answer")

LOOK_S = 5.0
"""Seconds between two looks whether the server is back."""


class StandIn:
    """Of two engines with the same vocabulary the first answers, and the second while that one is away.

    Ids of the one are ids of the other, so it does not matter which of them made a prompt. The second is made when it
    is first needed. `say` is told in one line when they change.
    """

    def __init__(
        self,
        server: Engine,
        make_local: Callable[[], Engine],
        say: Callable[[str], object],
        look_s: float = LOOK_S,
    ) -> None:
        self._server = server
        self._make_local = make_local
        self._say = say
        self._look_s = look_s
        self._local: Engine | None = None
        self._looking: asyncio.Task[None] | None = None

    async def info(self) -> ModelInfo:
        return await self._of_either(lambda engine: engine.info())

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return await self._of_either(lambda engine: engine.tokenize(texts))

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        return await self._of_either(lambda engine: engine.pieces(ids))

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        return await self._now().estimate(ids)

    async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
        await self._now().warm(ids, exact=exact)

    async def score(self, ids: Sequence[int], start: int, *, top: int = 0) -> list[TokenScore]:
        return await self._now().score(ids, start, top=top)

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """As the protocol says. What broke before its first token is asked of the local model; later it is not.

        Half of it was shown then, and the other half would be another model's.
        """
        if not self._is_away:
            begun = False
            try:
                async with aclosing(self._server.generate(request)) as events:
                    async for event in events:
                        begun = begun or isinstance(event, Token)
                        yield event
                return
            except ServerAway as error:
                await self._leave(error)
                if begun:
                    raise
        async with aclosing(self._stand_in().generate(request)) as events:
            async for event in events:
                yield event

    async def cancel(self, request: Request | None = None) -> None:
        await self._server.cancel(request)
        if self._local is not None:
            await self._local.cancel(request)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._server.close()
        if self._local is not None:
            await self._local.close()

    @property
    def _is_away(self) -> bool:
        return self._looking is not None

    def _now(self) -> Engine:
        return self._stand_in() if self._is_away else self._server

    def _stand_in(self) -> Engine:
        if self._local is None:
            self._local = self._make_local()
        return self._local

    async def _of_either(self, ask: Callable[[Engine], Awaitable[_Answer]]) -> _Answer:
        if not self._is_away:
            try:
                return await ask(self._server)
            except ServerAway as error:
                await self._leave(error)
        return await ask(self._stand_in())

    async def _leave(self, error: ServerAway) -> None:
        if not self._is_away:
            self._looking = asyncio.create_task(self._look())
            name = (await self._stand_in().info()).name
            self._say(f"{error.what} {name} answers until it is back.")

    async def _look(self) -> None:
        """Until the server answers again."""
        while True:
            await asyncio.sleep(self._look_s)
            try:
                name = (await self._server.info()).name
            except ServerAway:
                continue
            except LocalcoderError as error:
                # It came back as something else: that is told once, and not asked again.
                self._say(f"{error.what} The local model goes on.")
                return
            self._looking = None
            self._say(f"{name} is back.")
            return
