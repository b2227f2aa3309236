"""OpenAI's dialect, as its API reference describes legacy completions; DeepSeek's `/beta/completions` is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcoder.completion.complete import Options
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.stops import Stop
from localcoder.serve import fields
from localcoder.serve.asked import Asked, fill, read_prompts
from localcoder.serve.body import read_body
from localcoder.serve.models import Known, Models
from localcoder.serve.openai_answers import Answers
from localcoder.serve.running import finish, prepare, stream

_KNOWN = frozenset(
    {
        "prompt", "suffix", "model", "mode", "first_token_budget_ms", "max_tokens", "max_completion_tokens",
        "logit_bias", "n", "best_of", "stop", "stream", "stream_options", "logprobs", "top_logprobs", "echo", "user",
        *(fields.SAMPLING - {"repeat_last_n"}),
    }
)  # fmt: skip
"""Fields that have an effect, and `user`, which is to have none."""


def routes() -> list[Route]:
    return [
        *(Route(path, _completions, methods=["POST"]) for path in ("/v1/completions", "/beta/completions")),
        *(Route(path, _models, methods=["GET"]) for path in ("/v1/models", "/models")),
        Route("/v1/models/{name:path}", _one_model, methods=["GET"]),
    ]


async def _completions(request: HttpRequest) -> Response:
    body = await read_body(request)
    asked, wanted = _read_completions(body, request.app.state.usual)
    prepared = await prepare(request, asked)
    answers = Answers(body, asked, wanted, (await prepared[0].scheduler.engine.info()).name)
    if asked.stream:
        return await stream(request, prepared, answers.say, end="data: [DONE]\n\n")
    return JSONResponse(await answers.whole([(run, await finish(request, run)) for run in prepared]))


async def _models(request: HttpRequest) -> Response:
    models: Models = request.app.state.models
    return JSONResponse({"object": "list", "data": [_model(each) for each in await models.known()]})


async def _one_model(request: HttpRequest) -> Response:
    models: Models = request.app.state.models
    name = request.path_params["name"]
    if not await models.has(name):
        raise HTTPException(404, f"There is no model {name!r} here. GET /v1/models lists those that there are.")
    return JSONResponse(_model(await models.about(name)))


def _model(model: Known) -> dict[str, Any]:
    meta: dict[str, Any] = {"size": model.size_bytes}
    if model.info is not None:
        info = model.info
        meta |= {"n_vocab": info.n_vocab, "n_ctx_train": info.n_ctx_train, "n_params": info.parameters}
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.modified_at),
        "owned_by": "localcoder",
        "meta": meta,
    }


def _read_completions(body: dict[str, Any], usual: Options) -> tuple[Asked, int]:
    """What a body asks for, and how many answers to each prompt are wanted; more are made for `best_of`.

    What it leaves out is as in `usual`, but for a seed, which is any, and for the time to the first token: nobody asks
    again a moment later, so all of the prompt is read. Raises BadBody.
    """
    wanted = int(fields.number(body, "n", 1, 1, fields.MAX_ALTERNATIVES))
    made = int(fields.number(body, "best_of", wanted, wanted, fields.MAX_ALTERNATIVES))
    is_stream = fields.flag(body, "stream")
    if is_stream and made > wanted:
        raise fields.BadBody("'best_of' above 'n' cannot be streamed: which are best is known at the end.")
    # Several of the likeliest text would be one.
    usual_temperature = usual.sampling.temperature if made == 1 else 1.0
    # Its penalties count all that was generated.
    sampling = replace(fields.sampling(body, usual_temperature, hottest=2.0), repeat_last_n=fields.MAX_TOKENS)
    top = _top_logprobs(body)
    options = replace(
        usual,
        alternatives=made,
        max_tokens=max(1, fields.tokens_wanted(body, ("max_tokens", "max_completion_tokens"), usual.max_tokens)),
        sampling=sampling,
        logprobs=top is not None or made > wanted,
        top_logprobs=top or 0,
        first_token_s=fields.first_token_s(body, None),
        stop=Stop(fields.strings(body, "stop")),
    )
    prompts = read_prompts(body.get("prompt"))
    suffix = None if body.get("suffix") is None else fields.text(body, "suffix")
    asked = Asked(
        prompts=tuple(fill(prompt, suffix) for prompt in prompts),
        options=options,
        model=fields.text(body, "model", ""),
        mode=cast("Mode | None", fields.choice(body, "mode", MODES, None)),
        stream=is_stream,
        bias=fields.logit_bias(body),
        ignored=fields.ignored(body, _KNOWN),
    )
    return asked, wanted


def _top_logprobs(body: dict[str, Any]) -> int | None:
    """How many likely tokens are told with each; None where no probabilities are wanted. Raises BadBody."""
    if isinstance(body.get("logprobs"), bool):
        return int(fields.clamped(body, "top_logprobs", 0, 0, fields.MAX_TOP)) if body["logprobs"] else None
    if body.get("logprobs") is None:
        return None
    return int(fields.clamped(body, "logprobs", 0, 0, fields.MAX_TOP))
