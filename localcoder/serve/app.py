"""The HTTP endpoints: llama-server's `/infill`, OpenAI's `/v1/completions`, and what goes with them."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from localcoder import __version__
from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document
from localcoder.completion.scheduler import Busy, Overtaken, Scheduler
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError
from localcoder.serve import fields, llama_server, openai
from localcoder.serve.fields import BadBody
from localcoder.serve.noting import Noting

MAX_BODY_BYTES = 8 << 20
"""Chosen: far more than any source file, and little enough to hold several at once."""
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_Answer = TypeVar("_Answer")


def make_app(
    engine: Engine,
    *,
    usual: Options | None = None,
    token: str | None = None,
    hosts: frozenset[str] = _LOOPBACK_NAMES,
    noting: Noting | None = None,
) -> Starlette:
    """The application. `usual`: what a body leaves out. `noting`: who notes what is taken of suggestions, if anybody.

    `token` None: no authorization is asked for. `hosts`: names that a Host header may have."""
    scheduler = Scheduler(engine)
    routes = [
        Route("/health", _health, methods=["GET"]),
        Route("/v1/health", _health, methods=["GET"]),
        Route("/infill", _infill, methods=["POST"]),
        Route("/v1/completions", _completions, methods=["POST"]),
        Route("/v1/models", _models, methods=["GET"]),
        Route("/tokenize", _tokenize, methods=["POST"]),
        Route("/detokenize", _detokenize, methods=["POST"]),
        Route("/props", _props, methods=["GET"]),
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
    app.state.scheduler = scheduler
    app.state.usual = usual or Options()
    app.state.noting = noting
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
            await _error(*refusal)(scope, receive, send)
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


async def _body(request: HttpRequest) -> dict[str, Any]:
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY_BYTES:
                raise HTTPException(413, f"A body has at most {MAX_BODY_BYTES} bytes.")
    except ClientDisconnect:
        raise HTTPException(499, "The client hung up.") from None
    try:
        body = json.loads(data)
    except ValueError as error:
        raise BadBody(f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise BadBody("The body is nested too deeply.") from None
    if not isinstance(body, dict):
        raise BadBody("The body has to be a JSON object.")
    return body


async def _infill(request: HttpRequest) -> Response:
    document, options, stream = llama_server.read_infill(await _body(request), request.app.state.usual)
    scheduler: Scheduler = request.app.state.scheduler
    if options.max_tokens == 0:
        noting: Noting | None = request.app.state.noting
        if noting is not None:
            noting.seen(document)
        await scheduler.read_ahead(document, options)
        return JSONResponse(llama_server.infill_nothing((await scheduler.engine.info()).name))
    if stream:
        updates = _updates(request, document, options)
        return await _events(request, updates, llama_server.infill_chunk, llama_server.infill_result)
    completion = await _finish(request, document, options)
    return JSONResponse({**llama_server.infill_result(completion), "content": completion.text})


async def _completions(request: HttpRequest) -> Response:
    document, options, stream = openai.read_completions(await _body(request), request.app.state.usual)
    scheduler: Scheduler = request.app.state.scheduler
    name = (await scheduler.engine.info()).name
    shell = {"id": f"cmpl-{time.time_ns():x}", "object": "text_completion", "created": int(time.time()), "model": name}
    if stream:
        return await _events(
            request,
            _updates(request, document, options),
            lambda delta: {**shell, **openai.chunk(delta)},
            lambda completion: {**shell, **openai.last_chunk(completion)},
            end="data: [DONE]\n\n",
        )
    completion = await _finish(request, document, options)
    return JSONResponse({**shell, **openai.result(completion, with_logprobs=options.logprobs)})


def _updates(
    request: HttpRequest, document: Document, options: Options
) -> AsyncGenerator[TextDelta | Completion, None]:
    scheduler: Scheduler = request.app.state.scheduler
    noting: Noting | None = request.app.state.noting
    if noting is None:
        return scheduler.run(document, options, client=_client(request))
    return noting.run(scheduler, document, options, _client(request))


async def _finish(request: HttpRequest, document: Document, options: Options) -> Completion:
    """The completion, given up as soon as the client hangs up."""

    async def last() -> Completion:
        async with aclosing(_updates(request, document, options)) as updates:
            async for update in updates:
                if isinstance(update, Completion):
                    return update
        raise LocalcoderError("The engine gave no answer.", "Try again.")

    return await _unless_hung_up(request, last())


async def _unless_hung_up(request: HttpRequest, answer: Awaitable[_Answer]) -> _Answer:
    """What is awaited, given up as soon as the client hangs up."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_until_disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise HTTPException(499, "The client hung up.")
        return work.result()
    finally:
        for task in (work, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, LocalcoderError):
                await task


def _client(request: HttpRequest) -> str | None:
    """Who asks, for those that say so: of one client only the newest request counts."""
    return request.headers.get("x-client")


async def _until_disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(
    request: HttpRequest,
    updates: AsyncGenerator[TextDelta | Completion, None],
    chunk: Callable[[TextDelta], dict[str, Any]],
    last: Callable[[Completion], dict[str, Any]],
    end: str = "",
) -> StreamingResponse:
    """Server-sent events; when the client hangs up the generator is closed, which cancels the request.

    What fails before there is anything to say is answered with a status of its own, and raised here.
    """
    first = await _unless_hung_up(request, anext(updates))

    def line(data: dict[str, Any]) -> str:
        return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"

    def shown(update: TextDelta | Completion) -> str:
        return line(chunk(update) if isinstance(update, TextDelta) else last(update))

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(updates) as open_updates:
                yield shown(first)
                async for update in open_updates:
                    yield shown(update)
        except LocalcoderError as error:
            yield line({"error": _error_fields(_code(error), error.what, error.todo)})
        yield end

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def _health(request: HttpRequest) -> Response:
    return JSONResponse({"status": "ok"})


async def _models(request: HttpRequest) -> Response:
    info = await request.app.state.scheduler.engine.info()
    meta = {
        "n_vocab": info.n_vocab,
        "n_ctx_train": info.n_ctx_train,
        "n_params": info.parameters,
        "size": info.size_bytes,
    }
    model = {"id": info.name, "object": "model", "created": 0, "owned_by": "localcoder", "meta": meta}
    return JSONResponse({"object": "list", "data": [model]})


async def _props(request: HttpRequest) -> Response:
    info = await request.app.state.scheduler.engine.info()
    return JSONResponse(
        {
            "model_alias": info.name,
            "model_path": info.path,
            "total_slots": 1,
            "build_info": f"localcoder {__version__}",
            "default_generation_settings": {"n_ctx": info.n_ctx_train, "n_predict": request.app.state.usual.max_tokens},
            "architecture": info.architecture,
            "type": info.type_name,
            "sliding_window": info.window,
            "end_ids": info.end_ids,
        }
    )


async def _tokenize(request: HttpRequest) -> Response:
    body = await _body(request)
    content = fields.text(body, "content")
    engine: Engine = request.app.state.scheduler.engine
    (ids,) = await engine.tokenize([content])
    if not body.get("with_pieces"):
        return JSONResponse({"tokens": ids})
    pieces = await engine.pieces(ids)
    return JSONResponse({"tokens": [llama_server.piece(i, data) for i, data in zip(ids, pieces, strict=True)]})


async def _detokenize(request: HttpRequest) -> Response:
    engine: Engine = request.app.state.scheduler.engine
    ids = llama_server.token_ids(await _body(request), (await engine.info()).n_vocab)
    return JSONResponse({"content": b"".join(await engine.pieces(ids)).decode("utf-8", "replace")})


def _error_fields(code: int, what: str, todo: str = "") -> dict[str, Any]:
    kind = {400: "invalid_request_error", 401: "authentication_error"}.get(code, "server_error")
    return {"code": code, "message": f"{what} {todo}".strip(), "type": kind}


def _error(code: int, what: str, todo: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": _error_fields(code, what, todo)}, status_code=code, headers=headers)


def _code(error: LocalcoderError) -> int:
    return {Busy: 503, Overtaken: 409}.get(type(error), 500)


async def _bad_body(request: HttpRequest, error: Exception) -> Response:
    return _error(400, str(error))


async def _engine_trouble(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, LocalcoderError)
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Busy) else None
    return _error(_code(error), error.what, error.todo, headers)


async def _http_error(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail)
