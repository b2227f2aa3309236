"""Ollama's dialect, as its `docs/api.md` describes it, as far as it is about completions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from localcoder import __version__
from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.stops import Stop
from localcoder.errors import LocalcoderError
from localcoder.serve import fields
from localcoder.serve.asked import Asked, Run, fill
from localcoder.serve.body import read_body
from localcoder.serve.findings import findings_of
from localcoder.serve.models import Known, Models
from localcoder.serve.openai_answers import finish_reason
from localcoder.serve.running import finish, line, prepare, stream

_TEMPLATE = (
    "{{ if .Suffix }}<fim_prefix>{{ .Prompt }}<fim_suffix>{{ .Suffix }}<fim_middle>{{ else }}{{ .Prompt }}{{ end }}"
)
"""By `.Suffix` clients see that a model fills in. The prompt that is really made is not made by it."""
_KNOWN = frozenset(
    {"model", "prompt", "suffix", "raw", "stream", "options", "keep_alive", "mode", "first_token_budget_ms"}
)
_NEUTRAL: Mapping[str, Sequence[object]] = {
    "template": ("", "{{ .Prompt }}"), "system": ("",), "context": ([],), "images": ([],), "format": ("",),
    "think": (False,),
}  # fmt: skip
_KNOWN_OPTIONS = fields.SAMPLING | {"num_predict", "stop"}
_LATEST = ":latest"


def routes() -> list[Route]:
    return [
        Route("/", _hello, methods=["GET", "HEAD"]),
        Route("/api/version", _version, methods=["GET", "HEAD"]),
        Route("/api/tags", _tags, methods=["GET", "HEAD"]),
        Route("/api/ps", _ps, methods=["GET"]),
        Route("/api/show", _show, methods=["POST"]),
        Route("/api/generate", _generate, methods=["POST"]),
        Route("/api/pull", _pull, methods=["POST"]),
    ]


async def _hello(request: HttpRequest) -> Response:
    """What is asked to see whether anybody is there."""
    return PlainTextResponse("localcoder is running, and speaks Ollama's API")


async def _version(request: HttpRequest) -> Response:
    return JSONResponse({"version": __version__})


async def _tags(request: HttpRequest) -> Response:
    models: Models = request.app.state.models
    return JSONResponse({"models": [_tag(model) for model in await models.known()]})


async def _ps(request: HttpRequest) -> Response:
    models: Models = request.app.state.models
    never = {"expires_at": "9999-12-31T23:59:59Z", "size_vram": 0}
    return JSONResponse(
        {"models": [{**_tag(model), **never} for model in await models.known() if model.info is not None]}
    )


async def _show(request: HttpRequest) -> Response:
    """An unknown name is answered for the model that would answer it."""
    body = await read_body(request)
    models: Models = request.app.state.models
    name = fields.text(body, "model" if body.get("model") is not None else "name", "")
    model = await models.about(name)
    return JSONResponse(
        {
            "modelfile": f"FROM {model.name}\n",
            "parameters": "",
            "template": _TEMPLATE,
            "details": _details(model),
            "model_info": _model_info(model),
            "capabilities": ["completion", "insert"],
            "modified_at": _iso(model.modified_at),
        }
    )


async def _pull(request: HttpRequest) -> Response:
    body = await read_body(request)
    models: Models = request.app.state.models
    name = fields.text(body, "model" if body.get("model") is not None else "name", "")
    if await models.has(name):
        return JSONResponse({"status": "success"})
    raise LocalcoderError(f"{name} is not here.", f"Get it where the server runs: localcoder models pull {name}")


async def _generate(request: HttpRequest) -> Response:
    body = await read_body(request)
    name = fields.text(body, "model", "")
    begun = time.perf_counter()
    if not body.get("prompt") and not body.get("suffix"):
        # To load a model, or to have it unloaded; it is loaded when it is used, and unloaded when it is not.
        reason = "unload" if body.get("keep_alive") == 0 else "load"
        return JSONResponse({"model": name, "created_at": _now(), "response": "", "done": True, "done_reason": reason})
    asked = _read(body, request.app.state.usual)
    (run,) = await prepare(request, asked)
    # Clients look for the name that they sent.
    answers = _Answers(asked, name or (await run.scheduler.engine.info()).name, begun)
    if asked.stream:
        media_type = "application/x-ndjson"
        return await stream(request, [run], answers.say, write=line, media_type=media_type, trouble=_trouble)
    completion = await finish(request, run)
    return JSONResponse(answers.last(run, completion, completion.text))


def _trouble(error: LocalcoderError) -> dict[str, Any]:
    return {"error": f"{error.what} {error.todo}".strip()}


def _read(body: dict[str, Any], usual: Options) -> Asked:
    """A body of `/api/generate`. Raises BadBody."""
    given = fields.given(body, "options", {})
    if not isinstance(given, dict):
        raise fields.BadBody("'options' has to be an object.")
    prompt = fields.text(body, "prompt", "")
    suffix = None if body.get("suffix") is None else fields.text(body, "suffix")
    options = replace(
        usual,
        max_tokens=max(1, fields.tokens_wanted(given, ("num_predict",), usual.max_tokens)),
        sampling=fields.sampling(given, usual.sampling.temperature),
        first_token_s=fields.first_token_s(body, None),
        stop=Stop(fields.strings(given, "stop")),
    )
    ignored = fields.ignored(body, _KNOWN, _NEUTRAL)
    return Asked(
        prompts=((prompt,) if fields.flag(body, "raw") and suffix is None else fill((prompt,), suffix),),
        options=options,
        model=fields.text(body, "model", ""),
        mode=cast("Mode | None", fields.choice(body, "mode", MODES, None)),
        stream=fields.flag(body, "stream", default=True),
        ignored=(*ignored, *(f"options.{name}" for name in fields.ignored(given, _KNOWN_OPTIONS))),
    )


class _Answers:
    def __init__(self, asked: Asked, model: str, begun: float) -> None:
        self._model = model
        self._begun = begun
        self._ignored = {"ignored_fields": list(asked.ignored)} if asked.ignored else {}

    async def say(self, run: Run, update: TextDelta | Completion) -> list[dict[str, Any]]:
        if isinstance(update, TextDelta):
            return [{"model": self._model, "created_at": _now(), "response": update.text, "done": False}]
        return [self.last(run, update, "")]

    def last(self, run: Run, completion: Completion, text: str) -> dict[str, Any]:
        stats = completion.stats
        generating_s = max(0.0, stats.elapsed_s - stats.first_token_s)
        return {
            "model": self._model,
            "created_at": _now(),
            "response": text,
            "done": True,
            "done_reason": finish_reason(completion),
            "total_duration": _nanoseconds(time.perf_counter() - self._begun),
            "load_duration": 0,
            "prompt_eval_count": len(completion.prompt_ids),
            "prompt_eval_duration": _nanoseconds(stats.first_token_s),
            "eval_count": stats.tokens_generated,
            "eval_duration": _nanoseconds(generating_s),
            **findings_of(completion),
            **self._ignored,
        }


def _tag(model: Known) -> dict[str, Any]:
    name = model.name if ":" in model.name else model.name + _LATEST
    return {
        "name": name,
        "model": name,
        "modified_at": _iso(model.modified_at),
        "size": model.size_bytes,
        "digest": model.digest,
        "details": _details(model),
    }


def _model_info(model: Known) -> dict[str, Any]:
    known: dict[str, Any] = {"general.architecture": "starcoder2"}
    if model.parameters:
        known["general.parameter_count"] = model.parameters
    if model.info is not None:
        known["starcoder2.context_length"] = model.info.n_ctx_train
    return known


def _details(model: Known) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "starcoder2",
        "families": ["starcoder2"],
        "parameter_size": f"{model.parameters / 1e9:.1f}B" if model.parameters else "",
        "quantization_level": model.type_name,
    }


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def _now() -> str:
    return _iso(time.time())
