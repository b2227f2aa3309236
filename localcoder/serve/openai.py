"""OpenAI's dialect: bodies in, data out, as its API reference describes legacy completions."""

from __future__ import annotations

import time
from typing import Any, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.scheduler import Scheduler
from localcoder.engine.api import Sampling
from localcoder.serve import fields
from localcoder.serve.body import read_body
from localcoder.serve.running import events, finish, updates

MAX_ALTERNATIVES = 8
_FINISH_REASONS = {"length": "length", "time": "length"}


def routes() -> list[Route]:
    return [
        Route("/v1/completions", _completions, methods=["POST"]),
        Route("/v1/models", _models, methods=["GET"]),
    ]


async def _completions(request: HttpRequest) -> Response:
    document, options, stream = _read_completions(await read_body(request), request.app.state.usual)
    scheduler: Scheduler = request.app.state.scheduler
    name = (await scheduler.engine.info()).name
    shell = {"id": f"cmpl-{time.time_ns():x}", "object": "text_completion", "created": int(time.time()), "model": name}
    if stream:
        return await events(
            request,
            updates(request, document, options),
            lambda delta: {**shell, **_chunk(delta)},
            lambda completion: {**shell, **_last_chunk(completion)},
            end="data: [DONE]\n\n",
        )
    completion = await finish(request, document, options)
    return JSONResponse({**shell, **_result(completion, with_logprobs=options.logprobs)})


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


def _read_completions(body: dict[str, Any], usual: Options) -> tuple[Document, Options, bool]:
    """The document, the options and whether to stream, of a request to `/v1/completions`.

    Without a `suffix` it is still a fill-in-the-middle prompt, with nothing behind the cursor. What the body
    leaves out is as in `usual`, but for the mode: who speaks this dialect asks for a text, not for a
    suggestion. Raises BadBody.
    """
    prompt = fields.text(body, "prompt")
    alternatives = int(fields.number(body, "n", 1, 1, MAX_ALTERNATIVES))
    # Several of the likeliest text would be one.
    usual_temperature = usual.sampling.temperature if alternatives == 1 else 1.0
    sampling = Sampling(
        temperature=fields.number(body, "temperature", usual_temperature, 0, 2),
        top_p=fields.number(body, "top_p", 1.0, 0, 1),
        seed=fields.seed(body),
    )
    options = Options(
        mode=cast(Mode, fields.choice(body, "mode", MODES, "free")),
        alternatives=alternatives,
        max_tokens=max(1, int(fields.number(body, "max_tokens", usual.max_tokens, 0, fields.MAX_TOKENS))),
        sampling=sampling,
        logprobs=body.get("logprobs") not in (None, False),
        first_token_s=fields.first_token_s(body, usual.first_token_s),
    )
    stream = fields.flag(body, "stream")
    if stream and options.alternatives > 1:
        raise fields.BadBody("'n' above 1 cannot be streamed.")
    return Document(prompt + fields.text(body, "suffix", ""), len(prompt)), options, stream


def _chunk(delta: TextDelta) -> dict[str, Any]:
    return {"choices": [{"text": delta.text, "index": 0, "logprobs": None, "finish_reason": None}]}


def _last_chunk(completion: Completion) -> dict[str, Any]:
    reason = _FINISH_REASONS.get(completion.reason, "stop")
    choice = {"text": "", "index": 0, "logprobs": None, "finish_reason": reason}
    return {"choices": [choice], "usage": _usage(completion)}


def _result(completion: Completion, *, with_logprobs: bool) -> dict[str, Any]:
    choices = [
        {
            "text": each.text,
            "index": index,
            "logprobs": _logprobs(each) if with_logprobs else None,
            "finish_reason": _FINISH_REASONS.get(each.reason, "stop"),
        }
        for index, each in enumerate((completion, *completion.others))
    ]
    return {"choices": choices, "usage": _usage(completion)}


def _usage(completion: Completion) -> dict[str, Any]:
    prompt, generated = len(completion.prompt_ids), completion.stats.tokens_generated
    cached = {"cached_tokens": completion.stats.tokens_reused}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": cached,
    }


def _logprobs(completion: Completion) -> dict[str, Any] | None:
    tokens = [token for token in completion.tokens if token.logprob is not None]
    if not tokens:
        return None
    return {"tokens": [t.text for t in tokens], "token_logprobs": [t.logprob for t in tokens]}
