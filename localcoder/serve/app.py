"""The HTTP endpoints: llama-server's `/infill`, OpenAI's `/v1/completions`, and what goes with them."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from localcoder.completion.complete import Options
from localcoder.completion.context.gathering import Gathering
from localcoder.completion.scheduler import Busy
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError
from localcoder.serve import chat, codestral, llama_server, metrics, ollama, openai
from localcoder.serve.body import MAX_BODY_BYTES
from localcoder.serve.context import Context
from localcoder.serve.errors import error, status_of
from localcoder.serve.fields import BadBody
from localcoder.serve.models import Models
from localcoder.serve.noting import Noting
from localcoder.serve.remarks import Remarks

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def make_app(
    engine: Engine,
    *,
    usual: Options | None = None,
    token: str | None = None,
    hosts: frozenset[str] = _LOOPBACK_NAMES,
    noting: Noting | None = None,
    start: Callable[[Path], Engine] | None = None,
    gathering: Gathering | None = None,
) -> Starlette:
    """The application. `usual`: what a body leaves out. `noting`: who notes what is taken of suggestions, if anybody.
    `start` makes the engine of another model that is asked for by its name; None: there is only this one. `gathering`
    finds what texts need from other files; None: nobody does.

    `token` None: no authorization is asked for. `hosts`: names that a Host header may have."""
    routes = [
        Route("/health", _health, methods=["GET"]),
        Route("/v1/health", _health, methods=["GET"]),
        *llama_server.routes(),
        *openai.routes(),
        *chat.routes(),
        *codestral.routes(),
        *ollama.routes(),
        *metrics.routes(),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Guard, token=token, hosts=hosts)],
        exception_handlers={
            BadBody: _bad_body,
            LocalcoderError: _engine_trouble,
            HTTPException: _http_error,
        },
    )
    app.state.remarks = Remarks()
    app.state.models = Models(engine, start, app.state.remarks)
    app.state.usual = usual or Options()
    app.state.noting = noting
    app.state.context = None if gathering is None else Context(gathering)
    app.state.metrics = metrics.Metrics()
    return app


class _Guard:
    """Refuses what does not come from this machine's own programs, or from someone who knows the token.

    A page in a browser can reach a loopback port: by a name that it lets point here (Host tells), or by a request
    across origins (Origin tells).
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(scope)) is not None:
            await error(*refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        if _host_name(headers.get("host", "")) not in self._hosts and "*" not in self._hosts:
            return 403, "This host name is not served here."
        origin = headers.get("origin")
        if origin is not None and _host_name(origin.partition("://")[2]) not in _LOOPBACK_NAMES:
            return 403, "Requests from other origins are not answered."
        given = headers.get("authorization", "").removeprefix("Bearer ")
        is_open = self._token is None or scope["path"] in ("/health", "/v1/health")
        if not is_open and not hmac.compare_digest(given.encode(), (self._token or "").encode()):
            return 401, "A token is required: send it as 'Authorization: Bearer TOKEN'."
        if int(headers.get("content-length", "0") or 0) > MAX_BODY_BYTES:
            return 413, f"A body has at most {MAX_BODY_BYTES} bytes."
        return None


def _host_name(netloc: str) -> str:
    """`127.0.0.1:8012` and `[::1]:8012` without their ports."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0].lower()


async def _health(request: HttpRequest) -> Response:
    return JSONResponse({"status": "ok"})


async def _bad_body(request: HttpRequest, trouble: Exception) -> Response:
    return error(400, str(trouble))


async def _engine_trouble(request: HttpRequest, trouble: Exception) -> Response:
    assert isinstance(trouble, LocalcoderError)
    headers = {"Retry-After": str(trouble.retry_after_s)} if isinstance(trouble, Busy) else None
    return error(status_of(trouble), trouble.what, trouble.todo, headers)


async def _http_error(request: HttpRequest, trouble: Exception) -> Response:
    assert isinstance(trouble, HTTPException)
    return error(trouble.status_code, trouble.detail)
