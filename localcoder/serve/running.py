"""A request is run: whole or as a stream, and given up when the client hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse

from localcoder.completion.complete import Completion, TextDelta
from localcoder.errors import LocalcoderError
from localcoder.serve.asked import Asked, Run, runs
from localcoder.serve.context import Context
from localcoder.serve.errors import error_fields, status_of
from localcoder.serve.metrics import Metrics
from localcoder.serve.models import Models
from localcoder.serve.noting import Noting
from localcoder.serve.remarks import Remarks

_Answer = TypeVar("_Answer")
Say = Callable[[Run, TextDelta | Completion], Awaitable[Iterable[dict[str, Any]]]]
"""What a dialect says of an update: a JSON object or several."""


async def prepare(request: HttpRequest, asked: Asked) -> list[Run]:
    """What is to be run, one for each prompt. Raises BadBody, and LocalcoderError of the model."""
    if asked.ignored:
        remarks: Remarks = request.app.state.remarks
        remarks.once(f"{request.url.path}: no effect of {', '.join(sorted(asked.ignored))}.")
    models: Models = request.app.state.models
    context: Context | None = request.app.state.context
    found = await runs(asked, await models.scheduler(asked.model))
    return found if context is None else [replace(run, document=context.put(run.document)) for run in found]


async def updates(request: HttpRequest, run: Run) -> AsyncGenerator[TextDelta | Completion, None]:
    """What the scheduler gives, counted, and noted on its way where that is wanted."""
    metrics: Metrics = request.app.state.metrics
    metrics.asked(request.url.path)
    is_finished = False
    try:
        async with aclosing(_updates(request, run)) as open_updates:
            async for update in open_updates:
                if isinstance(update, Completion):
                    is_finished = True
                    metrics.finished(update)
                    context: Context | None = request.app.state.context
                    if context is not None and run.options.prompt_ids is None:
                        context.look_around(run.document)
                yield update
    finally:
        if not is_finished:
            metrics.failed(request.url.path)


def _updates(request: HttpRequest, run: Run) -> AsyncGenerator[TextDelta | Completion, None]:
    noting: Noting | None = request.app.state.noting
    client = request.headers.get("x-client")
    if noting is None or run.options.prompt_ids is not None:
        # Ids are no text of an editor's.
        return run.scheduler.run(run.document, run.options, client=client)
    return noting.run(run.scheduler, run.document, run.options, client)


async def finish(request: HttpRequest, run: Run) -> Completion:
    """The completion, given up as soon as the client hangs up."""

    async def last() -> Completion:
        async with aclosing(updates(request, run)) as open_updates:
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


async def _until_disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def event(data: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def line(data: dict[str, Any]) -> str:
    """A line of NDJSON."""
    return json.dumps(data, ensure_ascii=False) + "\n"


def _error_event(trouble: LocalcoderError) -> dict[str, Any]:
    return {"error": error_fields(status_of(trouble), trouble.what, trouble.todo)}


async def stream(
    request: HttpRequest,
    prepared: Sequence[Run],
    say: Say,
    *,
    end: str = "",
    write: Callable[[dict[str, Any]], str] = event,
    media_type: str = "text/event-stream",
    trouble: Callable[[LocalcoderError], dict[str, Any]] = _error_event,
) -> StreamingResponse:
    """One run after the other, as it comes; when the client hangs up the generator is closed, which cancels it.

    What fails before there is anything to say is answered with a status of its own, and raised here.
    """
    coming = _one_after_the_other(request, prepared)
    first = await _unless_hung_up(request, anext(coming))

    async def shown(run: Run, update: TextDelta | Completion) -> str:
        return "".join(map(write, await say(run, update)))

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(coming) as open_updates:
                yield await shown(*first)
                async for run, update in open_updates:
                    yield await shown(run, update)
        except LocalcoderError as error:
            yield write(trouble(error))
        yield end

    return StreamingResponse(lines(), media_type=media_type, headers={"Cache-Control": "no-cache"})


async def _one_after_the_other(
    request: HttpRequest, prepared: Sequence[Run]
) -> AsyncGenerator[tuple[Run, TextDelta | Completion], None]:
    for run in prepared:
        async with aclosing(updates(request, run)) as open_updates:
            async for update in open_updates:
                yield run, update
