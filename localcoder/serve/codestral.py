"""Mistral's dialect, as its API reference describes `/v1/fim/completions`: what Codestral's clients speak."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.stops import Stop
from localcoder.serve import fields
from localcoder.serve.asked import Asked, Run, fill
from localcoder.serve.body import read_body
from localcoder.serve.findings import findings_of
from localcoder.serve.openai_answers import finish_reason, usage
from localcoder.serve.running import finish, prepare, stream

_KNOWN = frozenset(
    {
        "prompt", "suffix", "model", "mode", "first_token_budget_ms", "max_tokens", "stop", "stream", "random_seed",
        *(fields.SAMPLING - {"seed"}),
    }
)  # fmt: skip
_NEUTRAL: dict[str, Sequence[object]] = {"min_tokens": (0,), "metadata": ({},)}


def routes() -> list[Route]:
    return [Route("/v1/fim/completions", _completions, methods=["POST"])]


async def _completions(request: HttpRequest) -> Response:
    asked = _read(await read_body(request), request.app.state.usual)
    (run,) = await prepare(request, asked)
    answers = _Answers(asked, (await run.scheduler.engine.info()).name)
    if asked.stream:
        return await stream(request, [run], answers.say, end="data: [DONE]\n\n")
    return JSONResponse(answers.whole(run, await finish(request, run)))


def _read(body: dict[str, Any], usual: Options) -> Asked:
    """Raises BadBody."""
    suffix = None if body.get("suffix") is None else fields.text(body, "suffix")
    options = replace(
        usual,
        max_tokens=max(1, fields.tokens_wanted(body, ("max_tokens",), usual.max_tokens)),
        sampling=fields.sampling(body | {"seed": body.get("random_seed")}, usual.sampling.temperature, hottest=2.0),
        first_token_s=fields.first_token_s(body, None),
        stop=Stop(fields.strings(body, "stop")),
    )
    return Asked(
        prompts=(fill((fields.text(body, "prompt"),), suffix),),
        options=options,
        model=fields.text(body, "model", ""),
        # It is asked to fill in, be there a suffix or not.
        mode=cast(Mode, fields.choice(body, "mode", MODES, usual.mode)),
        stream=fields.flag(body, "stream"),
        ignored=fields.ignored(body, _KNOWN, _NEUTRAL),
    )


class _Answers:
    def __init__(self, asked: Asked, model: str) -> None:
        self._shell = {"id": f"fim-{time.time_ns():x}", "created": int(time.time()), "model": model}
        self._ignored = {"ignored_fields": list(asked.ignored)} if asked.ignored else {}

    def whole(self, run: Run, completion: Completion) -> dict[str, Any]:
        message = {"role": "assistant", "content": completion.text, "tool_calls": None, "prefix": False}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason(completion)}
        choice |= findings_of(completion)
        return {
            **self._shell,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage([(run, completion)]),
            **self._ignored,
        }

    async def say(self, run: Run, update: TextDelta | Completion) -> list[dict[str, Any]]:
        if isinstance(update, TextDelta):
            return [self._chunk(update.text, None)]
        last = self._chunk("", finish_reason(update)) | findings_of(update)
        return [{**last, "usage": usage([(run, update)]), **self._ignored}]

    def _chunk(self, text: str, reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}
        return {**self._shell, "object": "chat.completion.chunk", "choices": [choice]}
