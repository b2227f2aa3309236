"""A server that does what a test says, where the real ones cannot be made to, or are not here."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request. `body` is {} where there was none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Scripted:
    """`answers`: what a path does, "" any other. `asked` is what came, in its order."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client closes a connection."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def bodies(self, path: str) -> list[Mapping[str, Any]]:
        return [each.body for each in self.asked if each.path == path]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when there is no other to come."""
        if not (line := await reader.readline()):
            return False
        method, path, _ = line.decode().split()
        headers = {}
        while (header := await reader.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(method, path, headers, json.loads(data) if data else {})
        self.asked.append(asked)
        answer = self.answers.get(path) or self.answers.get("") or status(404)
        gone = asyncio.create_task(reader.read(1))
        answering = asyncio.create_task(_run(answer, asked, writer))
        await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            self.left.set()
            answering.cancel()
            return False
        gone.cancel()
        await asyncio.wait({gone})
        return not writer.is_closing()


async def _run(answer: Answer, asked: Asked, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await answer(asked, writer)
        await writer.drain()


@asynccontextmanager
async def scripted(answers: Mapping[str, Answer], context: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    script = Scripted(dict(answers), scheme="https" if context else "http")
    server = await asyncio.start_server(script._serve, "127.0.0.1", 0, ssl=context)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()


def answer(body: object, code: int = 200, **headers: str) -> Answer:
    """A whole answer, as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def give(asked: Asked, writer: asyncio.StreamWriter) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Length: {len(data)}\r\n{more}\r\n".encode() + data)

    return give


def status(code: int, message: str = "", **headers: str) -> Answer:
    return answer({"error": {"message": message}} if message else b"", code, **headers)


def stream(
    events: Iterable[object], *, pause_s: float = 0.0, breaks_off: bool = False, prefix: str = "data: "
) -> Answer:
    """Events a chunk each; texts go as they are."""
    events = list(events)

    async def give(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            line = event if isinstance(event, str) else prefix + json.dumps(event, ensure_ascii=False)
            data = f"{line}\n\n".encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
            await asyncio.sleep(pause_s)
        if breaks_off:
            reset(writer)
        else:
            writer.write(b"0\r\n\r\n")

    return give


def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def in_turn(*answers: Answer) -> Answer:
    """Another one each time, the last one again and again."""
    left = list(answers)

    async def give(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(asked, writer)

    return give


async def hang_up(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    reset(writer)


async def say_nothing(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)
