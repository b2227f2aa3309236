"""One request on a server: a stream an alternative, whose chunks become tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from localcoder.engine.api import Ended, Event, Finished, ReadProgress, Request, Stats, StopReason, Token
from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.failures import ServerAway
from localcoder.engine.remote.server import Ask, Chunk, Server
from localcoder.engine.remote.vocabulary import Vocabulary
from localcoder.engine.vocab import TextStream
from localcoder.errors import LocalcoderError

_LAST_WORDS_S = 0.5
"""What a server may take, after it ended an answer, to say what it cost."""


@dataclass
class Cost:
    """What a request cost so far, in tokens, `read` with those reused; times in seconds of `time.perf_counter`."""

    arrived: float
    read: int = 0
    reused: int = 0
    generated: int = 0
    first_token: float | None = None
    read_tokens_per_s: float | None = None
    ids: list[int] = field(default_factory=list)
    """What the first alternative generated."""


class Generation:
    """Runs until its streams end or it is cancelled. `asks` are the alternatives'."""

    def __init__(
        self, connection: Connection, server: Server, vocabulary: Vocabulary, request: Request, asks: list[Ask]
    ) -> None:
        self._connection = connection
        self._server = server
        self._vocabulary = vocabulary
        self._request = request
        self._asks = asks
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self._reasons: dict[int, StopReason] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.cost = Cost(time.perf_counter())

    async def events(self) -> AsyncGenerator[Event, None]:
        """ReadProgress, tokens, Ended for each of several alternatives, and Finished. Closing it closes the streams."""
        self._tasks = [asyncio.create_task(self._run(i, ask)) for i, ask in enumerate(self._asks)]
        left = len(self._asks)
        try:
            while left:
                event = await self._events.get()
                if isinstance(event, Exception):
                    raise event
                if isinstance(event, Ended):
                    left -= 1
                if not isinstance(event, Ended) or len(self._asks) > 1:
                    yield event
            # The tasks may still hear what it cost.
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        yield Finished(self._reasons[0], self._stats())

    def cancel(self, reason: StopReason = "cancelled") -> None:
        for number, task in enumerate(self._tasks):
            self._end(number, reason)
            task.cancel()

    def _end(self, number: int, reason: StopReason) -> None:
        if number not in self._reasons:
            self._reasons[number] = reason
            self._events.put_nowait(Ended(number, reason))

    async def _run(self, number: int, ask: Ask) -> None:
        try:
            call, read = self._server.generation(ask), self._server.reader()
            answer = _Answer(number, ask, self._vocabulary.control)
            async with aclosing(self._connection.events(call.path, call.body)) as events:
                async for event in events:
                    chunk = read(event)
                    self._note(number, chunk)
                    if number not in self._reasons:
                        await self._take(number, answer, chunk)
                    if number in self._reasons and chunk.stop is None and not answer.is_over_there:
                        return
            if number not in self._reasons:
                raise ServerAway(
                    f"{self._connection.host} broke off in the middle of an answer.", "Look at the server's log."
                )
        except LocalcoderError as error:
            self._events.put_nowait(error)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            what = f"{self._server.kind} at {self._connection.host} answers what is not understood ({error!r})."
            self._events.put_nowait(LocalcoderError(what, "It may be another version: tell its version and this line."))

    async def _take(self, number: int, answer: _Answer, chunk: Chunk) -> None:
        text = chunk.text
        if text is None:
            text = answer.text.feed(b"".join(await self._vocabulary.pieces(chunk.ids)))
        for token in answer.tokens(chunk, text):
            self._put(token)
        answer.is_over_there = chunk.stop is not None
        if reason := answer.reason or chunk.stop:
            if rest := answer.rest():
                self._put(Token(-1, rest, alternative=number))
            self._end(number, reason)

    def _put(self, token: Token) -> None:
        cost, prompt = self.cost, len(self._request.ids)
        if cost.first_token is None:
            cost.first_token, cost.read = time.perf_counter(), prompt
            self._events.put_nowait(ReadProgress(prompt, prompt, cost.reused, cost.first_token - cost.arrived))
        # A server that sends text alone sends a token at a time.
        cost.generated += token.id >= 0 or not self._server.takes_ids
        if token.alternative == 0 and token.id >= 0:
            cost.ids.append(token.id)
        self._events.put_nowait(token)

    def _note(self, number: int, chunk: Chunk) -> None:
        cost, prompt = self.cost, len(self._request.ids)
        if number:
            return
        cost.reused = cost.reused if chunk.reused is None else chunk.reused
        cost.read_tokens_per_s = chunk.read_tokens_per_s or cost.read_tokens_per_s
        if chunk.read is not None and cost.first_token is None:
            cost.read = chunk.read
            if chunk.read < prompt:
                elapsed_s = time.perf_counter() - cost.arrived
                self._events.put_nowait(ReadProgress(chunk.read, prompt, cost.reused, elapsed_s))

    def _stats(self) -> Stats:
        cost, now = self.cost, time.perf_counter()
        first = cost.first_token or now
        later, spent = cost.generated - len(self._asks), now - first
        return Stats(
            tokens_read=max(0, cost.read - cost.reused),
            tokens_reused=cost.reused,
            tokens_generated=cost.generated,
            first_token_s=first - cost.arrived if cost.first_token else 0.0,
            tokens_per_s=later / spent if later > 0 and spent > 0 else 0.0,
            elapsed_s=now - cost.arrived,
        )


class _Answer:
    """One alternative's tokens. It ends at an end token, by its id, or by its name where a server sends only text."""

    def __init__(self, number: int, ask: Ask, control: Mapping[str, int]) -> None:
        self._number = number
        self._end_ids = frozenset(ask.end_ids)
        self._name_of = {i: name for name, i in control.items()}
        self._names = tuple(control)
        self._held = ""
        self.text = TextStream()
        self.reason: StopReason | None = None
        """Set when it is over, whether the server knows it or not."""
        self.is_over_there = False
        """The server has ended it, and may still say what it cost."""

    def tokens(self, chunk: Chunk, text: str) -> Iterator[Token]:
        """Those of a chunk, whose text goes with the last of them."""
        ids = list(chunk.ids)
        end = next((index for index, token in enumerate(ids) if token in self._end_ids), None)
        if end is not None:
            for token in reversed(ids[end:]):
                text = text.removesuffix(self._name_of.get(token, ""))
            del ids[end:]
            self.reason = "end"
        if not chunk.ids:
            text = self._until_a_name(text)
        for index, token in enumerate(ids):
            logprob = chunk.logprobs[index] if index < len(chunk.logprobs) else None
            yield Token(token, text if index == len(ids) - 1 else "", logprob, self._number)
        if text and not ids:
            yield Token(-1, text, alternative=self._number)

    def rest(self) -> str:
        held, self._held = self._held, ""
        return (held if self.reason is None else "") + self.text.finish()

    def _until_a_name(self, text: str) -> str:
        """The text up to a control token's name; what may be the beginning of one is held back."""
        text, self._held = self._held + text, ""
        found = [at for name in self._names if (at := text.find(name)) >= 0]
        if found:
            self.reason = "end"
            return text[: min(found)]
        longest = max(map(len, self._names), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(name.startswith(text[-size:]) for name in self._names):
                self._held = text[-size:]
                return text[:-size]
        return text


def watch(cost: Cost, unread: int, remember: Callable[[float], None]) -> None:
    """Tell how fast the server reads, as it says itself, or as the time to the first token shows."""
    if cost.read_tokens_per_s:
        remember(cost.read_tokens_per_s)
    elif cost.first_token is not None and unread >= _ENOUGH_TOKENS:
        remember(unread / max(cost.first_token - cost.arrived, 1e-3))


_ENOUGH_TOKENS = 64
"""Fewer take no longer than the way there and back."""
