"""The application on a real socket, in a thread of this process, with an engine that needs no model."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localcoder.serve.app import make_app
from localcoder.serve.guard import Access
from localcoder.serve.server import BODY_S, HEAD_S, Server
from tests.tui.fake_engine import FakeEngine


@contextmanager
def serving(
    access: Access | None = None,
    *,
    engine: FakeEngine | None = None,
    is_loading: Callable[[], bool] = lambda: False,
    head_s: float = HEAD_S,
    body_s: float = BODY_S,
) -> Iterator[int]:
    """The port. Clients wait in the socket's backlog until the server takes them."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port: int = listener.getsockname()[1]
        app = make_app(engine or FakeEngine(), access=access, is_loading=is_loading)
        server = Server(app, head_s=head_s, body_s=body_s)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield port
        finally:
            server.end()
            thread.join(60)
            assert not thread.is_alive()
