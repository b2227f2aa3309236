"""Which program serves there: found by asking for what only one kind has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.failures import NotOffered
from localcoder.engine.remote.llama_server import LlamaServer
from localcoder.engine.remote.server import Server
from localcoder.errors import LocalcoderError


async def find_server(connection: Connection) -> Server:
    """Raises LocalcoderError where none that is known answers, and ServerAway where none does at all."""
    props = await _asked(connection, "/props")
    if "default_generation_settings" in props:
        return LlamaServer(connection, props)
    raise LocalcoderError(
        f"What serves at {connection.access.address.base} is no server that localcoder knows.",
        "It knows llama-server.",
        exit_code=2,
    )


async def _asked(connection: Connection, path: str) -> Mapping[str, Any]:
    """What it answers; nothing where it has no such path."""
    with suppress(NotOffered):
        answer = await connection.get(path)
        if isinstance(answer, dict):
            return answer
    return {}
