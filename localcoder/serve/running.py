"""A request is run: whole or as a stream, and given up when the client hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse

from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document
from localcoder.completion.scheduler import Scheduler
from localcoder.errors import LocalcoderError
from localcoder.serve.errors import error_fields, status_of
from localcoder.serve.noting import Noting

_Answer = TypeVar("_Answer")


def updates(request: HttpRequest, document: Document, options: Options) -> AsyncGenerator[TextDelta | Completion, None]:
    """What the scheduler gives, noted on its way where that is wanted."""
    scheduler: Scheduler = request.app.state.scheduler
    noting: Noting | None = request.app.state.noting
    if noting is None:
        return scheduler.run(document, options, client=_client(request))
    return noting.run(scheduler, document, options, _client(request))


async def finish(request: HttpRequest, document: Document, options: Options) -> Completion:
    """The completion, given up as soon as the client hangs up."""

    async def last() -> Completion:
        async with aclosing(updates(request, document, options)) as open_updates:
            async for update in open_updates:
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


async def events(
    request: HttpRequest,
    coming: AsyncGenerator[TextDelta | Completion, None],
    chunk: Callable[[TextDelta], dict[str, Any]],
    last: Callable[[Completion], dict[str, Any]],
    end: str = "",
) -> StreamingResponse:
    """Server-sent events; when the client hangs up the generator is closed, which cancels the request.

    What fails before there is anything to say is answered with a status of its own, and raised here.
    """
    first = await _unless_hung_up(request, anext(coming))

    def line(data: dict[str, Any]) -> str:
        return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"

    def shown(update: TextDelta | Completion) -> str:
        return line(chunk(update) if isinstance(update, TextDelta) else last(update))

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(coming) as open_updates:
                yield shown(first)
                async for update in open_updates:
                    yield shown(update)
        except LocalcoderError as error:
            yield line({"error": error_fields(status_of(error), error.what, error.todo)})
        yield end

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
