"""Which program serves there: found by asking for what only one kind has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.failures import NotOffered
from localcoder.engine.remote.llama_server import LlamaServer
from localcoder.engine.remote.ollama import Ollama
from localcoder.engine.remote.openai import OpenAI
from localcoder.engine.remote.server import Server
from localcoder.engine.remote.sglang import SGLang
from localcoder.engine.remote.tgi import TGI
from localcoder.engine.remote.vllm import VLLM
from localcoder.errors import LocalcoderError


async def find_server(connection: Connection) -> Server:
    """Raises LocalcoderError where none that is known answers, and ServerAway where none does at all."""
    props = await _asked(connection, "/props")
    if "default_generation_settings" in props:
        return LlamaServer(connection, props)
    info = await _asked(connection, "/get_model_info")
    if "model_path" in info:
        return SGLang(connection, info)
    info = await _asked(connection, "/info")
    if "model_id" in info and "max_total_tokens" in info:
        return TGI(info)
    if "version" in await _asked(connection, "/api/version"):
        return Ollama(connection, (await connection.get("/api/tags"))["models"])
    models = (await _asked(connection, "/v1/models")).get("data")
    if isinstance(models, list):
        # Behind a gateway, /version may be hidden, and the models still say whose they are.
        if "version" in await _asked(connection, "/version") or all(m.get("owned_by") == "vllm" for m in models):
            return VLLM(connection, models, cache_salt(connection.access.token))
        return OpenAI(connection, models)
    raise LocalcoderError(
        f"What serves at {connection.access.address.base} is no server that localcoder knows.",
        "It knows llama-server, vLLM, SGLang, text-generation-inference, Ollama, and OpenAI's /v1/completions.",
        exit_code=2,
    )


def cache_salt(token: str) -> str:
    """What keeps a person's prompts in a server's cache from showing in others' waiting times; "" without a token."""
    return hashlib.sha256(b"localcoder " + token.encode()).hexdigest()[:32] if token else ""


async def _asked(connection: Connection, path: str) -> Mapping[str, Any]:
    """What it answers; nothing where it has no such path."""
    with suppress(NotOffered):
        answer = await connection.get(path)
        if isinstance(answer, dict):
            return answer
    return {}
