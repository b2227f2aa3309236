"""An engine whose model is on a server. The protocol of `api.Engine`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from localcoder.engine.api import Event, ModelInfo, ReadEstimate, Request, TokenScore
from localcoder.engine.kv_shift import common_prefix
from localcoder.engine.remote.connection import Access, Connection
from localcoder.engine.remote.failures import ServerAway
from localcoder.engine.remote.find import find_server
from localcoder.engine.remote.generation import Generation, watch
from localcoder.engine.remote.server import About, Ask, Server
from localcoder.engine.remote.text import text_of
from localcoder.engine.remote.vocabulary import Vocabulary, find_vocabulary
from localcoder.errors import LocalcoderError

_FIRST_GUESS_TOKENS_PER_S = 500.0
"""Chosen: a server that nobody has asked yet reads between 30 tokens a second, on a processor, and 10,000."""
_REMEMBERED = 8
"""Prompts that a server may still have in its cache. Chosen: the files that one person edits by turns."""


@dataclass(frozen=True)
class _Ready:
    """A server that was asked what it is."""

    server: Server
    vocabulary: Vocabulary
    info: ModelInfo


class RemoteEngine:
    """Connects with the first request, and again after the server was away: it may come back as another.

    `files` are GGUF files here, one of which may have the server's vocabulary; if it is `required`, the first has to.
    A token that was begun is not healed there: `Request.forced` is taken as the end of the prompt.
    """

    def __init__(self, access: Access, files: Sequence[Path] = (), *, required: bool = False) -> None:
        self._access = access
        self._files = tuple(files)
        self._required = required
        self._connection = Connection(access)
        self._ready: _Ready | None = None
        self._start = asyncio.Lock()
        self._running: dict[int, tuple[Request, Generation]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._read: deque[tuple[int, ...]] = deque(maxlen=_REMEMBERED)
        self._tokens_per_s = _FIRST_GUESS_TOKENS_PER_S
        self._is_closed = False

    async def info(self) -> ModelInfo:
        return (await self._connected()).info

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return await (await self._connected()).vocabulary.tokenize(texts)

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        return await (await self._connected()).vocabulary.pieces(ids)

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        """Reusable is what was sent lately, as far as the server's cache may still hold it: others use it too."""
        reusable = max((common_prefix(read, ids) for read in self._read), default=0)
        return ReadEstimate(len(ids), reusable, self._tokens_per_s)

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        if not request.ids:
            raise ValueError("a request needs at least one id")
        ready = await self._connected()
        asks = await self._asks(ready, request)
        self._stop_reading()
        if not request.gives_way:
            self._end_others()
        generation = Generation(self._connection, ready.server, ready.vocabulary, request, asks)
        self._running[request.request_id] = request, generation
        unread = (await self.estimate(request.ids)).unread
        try:
            async with aclosing(generation.events()) as events:
                async for event in events:
                    yield event
        except ServerAway:
            self._forget(ready)
            raise
        finally:
            self._running.pop(request.request_id, None)
            watch(generation.cost, unread, self._measured)
            if generation.cost.first_token is not None:
                self._read.append((*request.ids, *generation.cost.ids))

    async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
        ready = await self._connected()
        call = ready.server.reading(ids)
        if call is None:
            return
        self._stop_reading()

        async def read() -> None:
            assert call is not None
            async with aclosing(self._connection.events(call.path, call.body)) as events:
                async for _ in events:
                    pass
            self._read.append(tuple(ids))

        task = self._reading = asyncio.create_task(read())
        try:
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                if isinstance(error, ServerAway):
                    self._forget(ready)
                raise error
        finally:
            task.cancel()
            # Nothing is read for it any more when this returns.
            with suppress(asyncio.CancelledError, LocalcoderError):
                await task

    async def score(self, ids: Sequence[int], start: int, *, top: int = 0) -> list[TokenScore]:
        if not 0 < start <= len(ids):
            raise ValueError(f"no scores from {start} on of {len(ids)} ids")
        ready = await self._connected()
        if len(ids) >= ready.info.n_ctx:
            raise self._too_long(ready, len(ids))
        return await ready.server.score(ids, start, top) if start < len(ids) else []

    async def cancel(self, request: Request | None = None) -> None:
        if request is None:
            self._stop_reading()
        for number, (_, generation) in tuple(self._running.items()):
            if request is None or number == request.request_id:
                generation.cancel()

    async def close(self) -> None:
        self._is_closed = True
        await self.cancel()
        async with self._start:
            ready, self._ready = self._ready, None
            if ready is not None:
                await ready.vocabulary.close()
            await self._connection.close()

    async def _connected(self) -> _Ready:
        """The server, asked what it is unless that is known. Raises LocalcoderError."""
        async with self._start:
            if self._is_closed:
                raise LocalcoderError("The engine was closed.", "Start localcoder again.")
            if self._ready is None:
                try:
                    self._ready = await self._connect()
                except (KeyError, TypeError, ValueError, IndexError) as error:
                    raise LocalcoderError(
                        f"What {self._access.address.base} says of itself is not understood ({error!r}).",
                        "It may be another version: tell its version and this line.",
                    ) from None
            return self._ready

    async def _connect(self) -> _Ready:
        server = await find_server(self._connection)
        about = await server.about()
        vocabulary = await find_vocabulary(server, about.model, self._files, required=self._required)
        return _Ready(server, vocabulary, self._info(server, about, vocabulary))

    def _info(self, server: Server, about: About, vocabulary: Vocabulary) -> ModelInfo:
        address = self._access.address
        return ModelInfo(
            name=about.model,
            path=address.base,
            architecture="starcoder2",
            type_name=about.type_name,
            size_bytes=about.size_bytes,
            parameters=about.parameters,
            n_vocab=about.n_vocab,
            n_ctx_train=about.context,
            n_ctx=about.context,
            window=about.window,
            special=vocabulary.special,
            end_ids=vocabulary.end_ids,
            redaction_ids=vocabulary.redaction_ids,
            host=address.host,
            control=tuple(sorted(vocabulary.control.items(), key=lambda item: item[1])),
        )

    def _forget(self, ready: _Ready) -> None:
        """It was away: what comes back may be another server, with an empty cache."""
        if self._ready is ready:
            self._ready = None
            self._read.clear()
            task = asyncio.create_task(ready.vocabulary.close())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _asks(self, ready: _Ready, request: Request) -> list[Ask]:
        vocabulary, ids = ready.vocabulary, request.ids
        if request.forced:
            (begun,) = await vocabulary.tokenize([request.forced.decode("utf-8", "ignore")])
            ids = (*ids, *begun)
        room = ready.info.n_ctx - len(ids)
        if room <= 0:
            raise self._too_long(ready, len(ids))
        names = {i: name for name, i in vocabulary.control.items()}
        text = ""
        if not ready.server.takes_ids:
            text = text_of(ids, await vocabulary.pieces(ids), vocabulary.control)
        return [
            Ask(
                ids=ids,
                max_tokens=min(request.max_tokens, room),
                sampling=request.sampling.of_alternative(number),
                end_ids=vocabulary.end_ids,
                text=text,
                end_names=tuple(names[i] for i in vocabulary.end_ids if i in names),
                logprobs=request.logprobs,
            )
            for number in range(request.alternatives)
        ]

    def _too_long(self, ready: _Ready, count: int) -> LocalcoderError:
        return LocalcoderError(
            f"The prompt has {count} tokens; {ready.info.name} at {ready.info.host} takes {ready.info.n_ctx}.",
            "Shorten it, or have the server take more.",
        )

    def _end_others(self) -> None:
        for other, generation in self._running.values():
            if not other.gives_way:
                generation.cancel()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    def _measured(self, tokens_per_s: float) -> None:
        self._tokens_per_s = tokens_per_s
