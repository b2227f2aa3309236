"""The HTTP endpoints: llama-server's `/infill`, OpenAI's `/v1/completions`, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcoder.completion.complete import Options
from localcoder.completion.context.gathering import Gathering
from localcoder.completion.scheduler import Busy
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError
from localcoder.serve import chat, codestral, llama_server, metrics, ollama, openai
from localcoder.serve.context import Context
from localcoder.serve.errors import error, status_of
from localcoder.serve.fields import BadBody
from localcoder.serve.guard import Access, middleware
from localcoder.serve.models import Models
from localcoder.serve.noting import Noting
from localcoder.serve.remarks import Remarks


def make_app(
    engine: Engine,
    *,
    usual: Options | None = None,
    access: Access | None = None,
    noting: Noting | None = None,
    start: Callable[[Path], Engine] | None = None,
    gathering: Gathering | None = None,
    is_loading: Callable[[], bool] = lambda: False,
) -> Starlette:
    """The application. `usual`: what a body leaves out. `noting`: who notes what is taken of suggestions, if anybody.
    `start` makes the engine of another model that is asked for by its name; None: there is only this one. `gathering`
    finds what texts need from other files; None: nobody does.

    `access` None: this machine's programs alone, without a token. While it `is_loading`, all are told to come again.
    """
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
        middleware=middleware(access or Access(), is_loading),
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


async def _health(request: HttpRequest) -> Response:
    return JSONResponse({"status": "ok"})


async def _bad_body(request: HttpRequest, trouble: Exception) -> Response:
    return error(request.url.path, 400, str(trouble))


async def _engine_trouble(request: HttpRequest, trouble: Exception) -> Response:
    assert isinstance(trouble, LocalcoderError)
    headers = {"Retry-After": str(trouble.retry_after_s)} if isinstance(trouble, Busy) else None
    return error(request.url.path, status_of(trouble), trouble.what, trouble.todo, headers)


async def _http_error(request: HttpRequest, trouble: Exception) -> Response:
    assert isinstance(trouble, HTTPException)
    path = request.url.path
    if trouble.status_code == 404 and trouble.detail == HTTPStatus.NOT_FOUND.phrase:
        return error(path, 404, f"There is no {path} here.", "Ask /infill or /v1/completions, or see the README.")
    if trouble.status_code == 405:
        allowed = (trouble.headers or {}).get("Allow", "another method")
        return error(path, 405, f"{request.method} has no meaning at {path}.", f"Send {allowed}.", trouble.headers)
    return error(path, trouble.status_code, trouble.detail, headers=trouble.headers)
