"""uvicorn with what it leaves out: a request has to come in time, and the end is the caller's to tell."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""Seconds for a request's head. Chosen: it is one packet, and a network's worst hiccup is over by then."""
BODY_S = 60.0
"""Seconds for a request's body. Chosen: the largest in it, at a megabit a second."""
_ANSWERS_END_S = 1.0
"""Seconds that clients have to take in the end of their answers. Chosen: half of what a person waits for an end."""


class Server(uvicorn.Server):
    """Serves the application until `end()`. A client that is not done by then is hung up on.

    It does not listen to signals, which uvicorn would raise once more after it has served.
    """

    def __init__(self, app: ASGIApp, *, head_s: float = HEAD_S, body_s: float = BODY_S) -> None:
        # A class to uvicorn: what is called for each connection.
        protocol: Any = partial(_InTime, head_s=head_s, body_s=body_s)
        super().__init__(
            uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_level="warning", access_log=False)
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def end(self) -> None:
        """A second time: wait for nobody."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hang_up = asyncio.get_running_loop().call_later(_ANSWERS_END_S, self._hang_up)
        try:
            await super().shutdown(sockets)
        finally:
            hang_up.cancel()

    def _hang_up(self) -> None:
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


class _InTime(H11Protocol):
    """Hangs up when a request has not come whole in time.

    uvicorn counts the time between two requests only, so that a client which sends half of a head, or of a body, keeps
    its connection for good.
    """

    def __init__(self, *args: Any, head_s: float, body_s: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._limits_s = {h11.IDLE: head_s, h11.SEND_BODY: body_s}
        self._awaited: Any = None
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._await(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await(self.conn.their_state)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        super().connection_lost(exc)

    def _await(self, state: Any) -> None:
        """The client is to send what ends this state; its time counts from the state's beginning."""
        if state is self._awaited:
            return
        self._awaited = state
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if (limit_s := self._limits_s.get(state)) is not None:
            self._late = self.loop.call_later(limit_s, self.transport.close)
