"""A proxy between an editor and the server that keeps what went each way.

It relays bytes, so a client that hangs up is seen to hang up by the server, and nothing of a request is changed.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import h11


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; `status` is 0 where the client hung up before there was one."""

    path: str
    body: dict[str, Any]
    status: int
    answer: str

    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.answer)
        return parsed

    def events(self) -> list[dict[str, Any]]:
        """The server-sent events of a streamed answer."""
        lines = [line[6:] for line in self.answer.splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]


@dataclass
class _Connection:
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    is_closed: bool = False


class RecordingProxy:
    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._to = host, int(port)
        self._connections: list[_Connection] = []
        self.url = ""

    def exchanges(self, path: str = "") -> list[Exchange]:
        """Those that are over, in the order in which they began: all, or those of one path.

        Each has a connection of its own, as curl makes it."""
        found = [_parse(each) for each in self._connections if each.is_closed and each.sent]
        return [exchange for exchange in found if path in ("", exchange.path)]

    @property
    def open_connections(self) -> int:
        return sum(not each.is_closed for each in self._connections)

    async def serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await ended.wait()
        server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection()
        self._connections.append(connection)
        from_server, to_server = await asyncio.open_connection(*self._to)
        try:
            there = asyncio.create_task(_pass_on(reader, to_server, connection.sent))
            back = asyncio.create_task(_pass_on(from_server, writer, connection.received))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in (there, back):
                task.cancel()
        finally:
            writer.close()
            to_server.close()
            connection.is_closed = True


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            kept += data
            writer.write(data)
            await writer.drain()


def _parse(connection: _Connection) -> Exchange:
    server, client = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
    server.receive_data(bytes(connection.sent))
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = _data(server)
    client.send(h11.Request(method=request.method, target=request.target, headers=request.headers))
    client.send(h11.Data(body))
    client.send(h11.EndOfMessage())
    client.receive_data(bytes(connection.received))
    client.receive_data(b"")
    response = _response(client)
    return Exchange(
        path=request.target.decode(),
        body=json.loads(body) if body else {},
        status=response.status_code if response else 0,
        answer=_data(client).decode() if response else "",
    )


def _response(client: h11.Connection) -> h11.Response | None:
    with suppress(h11.RemoteProtocolError):
        while isinstance(event := client.next_event(), h11.InformationalResponse):
            pass
        return event if isinstance(event, h11.Response) else None
    return None


def _data(connection: h11.Connection) -> bytes:
    data = b""
    with suppress(h11.RemoteProtocolError):
        while isinstance(event := connection.next_event(), h11.Data):
            data += event.data
    return data


@contextmanager
def recording_proxy(url: str) -> Iterator[RecordingProxy]:
    """A proxy before the server at `url`, in a thread of its own."""
    proxy, started, loops = RecordingProxy(url), threading.Event(), []

    async def run() -> None:
        ended = asyncio.Event()
        loops.append((asyncio.get_running_loop(), ended))
        await proxy.serve(started, ended)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(30)
        yield proxy
    finally:
        loop, ended = loops[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
