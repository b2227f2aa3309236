"""llama-server's dialect, as its `tools/server/README.md` describes it: `/infill`, `/completion`, and about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from localcoder import __version__
from localcoder.completion.complete import Options
from localcoder.completion.document import Document, Snippet
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.layout import LAYOUTS, LayoutName
from localcoder.completion.stops import Stop
from localcoder.engine.api import Engine
from localcoder.serve import fields
from localcoder.serve.asked import Asked, Run, read_prompts
from localcoder.serve.body import read_body
from localcoder.serve.llama_answers import Answers, settings_of
from localcoder.serve.noting import Noting
from localcoder.serve.running import event, finish, prepare, stream
from localcoder.serve.written import Piece, Written, ids_of, with_control

_KNOWN = frozenset(
    {
        "prompt", "input_prefix", "input_suffix", "input_extra", "model", "stream", "mode", "layout",
        "first_token_budget_ms", "logit_bias", "ignore_eos", "n_predict", "max_tokens", "max_completion_tokens",
        "n_indent", "n_cmpl", "n", "stop", "t_max_predict_ms", "n_probs", "logprobs", "return_tokens",
        "timings_per_token", "response_fields", *fields.SAMPLING,
    }
)  # fmt: skip
"""Fields that have an effect."""
_NEUTRAL: Mapping[str, Sequence[object]] = {
    "cache_prompt": (True,), "id_slot": (-1, 0), "samplers": ([],), "n_keep": (0,), "n_cache_reuse": (0,),
    "typical_p": (1,), "top_n_sigma": (-1,), "xtc_probability": (0,), "dynatemp_range": (0,), "dry_multiplier": (0,),
    "mirostat": (0,), "grammar": ("",), "min_keep": (0, 1), "post_sampling_probs": (False,),
    "return_progress": (False,), "sse_ping_interval": (-1,), "lora": ([],), "stream_options": ({},),
}  # fmt: skip
"""Values of other fields that ask for what is done anyway."""
_LARGEST = 2**31 - 1


def routes() -> list[Route]:
    return [
        Route("/infill", _infill, methods=["POST"]),
        Route("/completion", _completion, methods=["POST"]),
        Route("/completions", _completion, methods=["POST"]),
        Route("/tokenize", _tokenize, methods=["POST"]),
        Route("/detokenize", _detokenize, methods=["POST"]),
        Route("/props", _props, methods=["GET"]),
    ]


async def _infill(request: HttpRequest) -> Response:
    body = await read_body(request)
    return await _answer(request, body, _read_infill(body, request.app.state.usual))


async def _completion(request: HttpRequest) -> Response:
    body = await read_body(request)
    return await _answer(request, body, _read_completion(body, request.app.state.usual))


async def _answer(request: HttpRequest, body: dict[str, Any], asked: Asked) -> Response:
    prepared = await prepare(request, asked)
    answers = Answers(body, asked, await prepared[0].scheduler.engine.info())
    if asked.options.max_tokens == 0:
        found = [await _read_ahead(request, run, answers) for run in prepared]
        if asked.stream:
            return PlainTextResponse("".join(map(event, found)), media_type="text/event-stream")
    elif asked.stream:
        return await stream(request, prepared, answers.say)
    else:
        found = [answer for run in prepared for answer in await answers.whole(run, await finish(request, run))]
    is_list = len(prepared) > 1 or asked.options.alternatives > 1
    return JSONResponse(found if is_list else found[0])


async def _read_ahead(request: HttpRequest, run: Run, answers: Answers) -> dict[str, Any]:
    """`n_predict` 0 has the prompt read, and nothing more."""
    noting: Noting | None = request.app.state.noting
    if noting is not None:
        noting.seen(run.document)
    await run.scheduler.read_ahead(run.document, run.options)
    return answers.nothing(run)


async def _props(request: HttpRequest) -> Response:
    info = await request.app.state.models.first.engine.info()
    usual: Options = request.app.state.usual
    return JSONResponse(
        {
            "model_alias": info.name,
            "model_path": info.path,
            "total_slots": 1,
            "build_info": f"localcoder {__version__}",
            "default_generation_settings": {
                "n_ctx": info.n_ctx_train,
                "n_predict": usual.max_tokens,
                "params": settings_of(usual, info),
            },
            "architecture": info.architecture,
            "type": info.type_name,
            "sliding_window": info.window,
            "end_ids": info.end_ids,
        }
    )


async def _tokenize(request: HttpRequest) -> Response:
    body = await read_body(request)
    content = fields.text(body, "content")
    engine: Engine = request.app.state.models.first.engine
    # Unlike llama-server, which takes names of control tokens for them unless it is told not to.
    pieces = await with_control(content, engine) if fields.flag(body, "parse_special") else [content]
    ids = await ids_of(pieces, engine) if content else ()
    if not fields.flag(body, "with_pieces"):
        return JSONResponse({"tokens": ids})
    known = await engine.pieces(ids) if ids else []
    return JSONResponse({"tokens": [_piece(i, data) for i, data in zip(ids, known, strict=True)]})


async def _detokenize(request: HttpRequest) -> Response:
    engine: Engine = request.app.state.models.first.engine
    ids = _token_ids(await read_body(request), (await engine.info()).n_vocab)
    return JSONResponse({"content": b"".join(await engine.pieces(ids)).decode("utf-8", "replace")})


def _read_infill(body: dict[str, Any], usual: Options) -> Asked:
    """A body of `/infill`. Raises BadBody.

    As in llama-server, `prompt` is what was typed between prefix and middle. Three fields are localcoder's own:
    `mode` (line, block, free), `layout` (psm, spm) and `first_token_budget_ms`; 0 reads the whole prompt first.
    What the body leaves out is as in `usual`.
    """
    before = fields.text(body, "input_prefix", "") + fields.text(body, "prompt", "")
    text = before + fields.text(body, "input_suffix", "")
    document = Document(text, len(before), snippets=_snippets(body))
    return _read_asked(body, usual, (Written(document),), fields.first_token_s(body, usual.first_token_s))


def _read_completion(body: dict[str, Any], usual: Options) -> Asked:
    """A body of `/completion`: nobody asks again a moment later, so all of the prompt is read. Raises BadBody."""
    return _read_asked(body, usual, read_prompts(body.get("prompt")), fields.first_token_s(body, None))


def _read_asked(
    body: dict[str, Any], usual: Options, prompts: tuple[Written | tuple[Piece, ...], ...], first_token_s: float | None
) -> Asked:
    time_ms = fields.number(body, "t_max_predict_ms", 0, -1, 2**63)
    count = "n_cmpl" if body.get("n_cmpl") is not None else "n"
    probabilities = "n_probs" if body.get("n_probs") is not None else "logprobs"
    top = int(fields.clamped(body, probabilities, 0, 0, fields.MAX_TOP))
    options = replace(
        usual,
        layout=cast(LayoutName, fields.choice(body, "layout", LAYOUTS, usual.layout)),
        max_tokens=fields.tokens_wanted(body, ("n_predict", "max_completion_tokens", "max_tokens"), usual.max_tokens),
        sampling=fields.sampling(body, usual.sampling.temperature),
        logprobs=top > 0,
        top_logprobs=top,
        alternatives=int(fields.number(body, count, 1, 1, fields.MAX_ALTERNATIVES)),
        first_token_s=first_token_s,
        stop=Stop(
            words=fields.strings(body, "stop"),
            least_indent=int(fields.number(body, "n_indent", 0, 0, _LARGEST)),
            time_budget_s=time_ms / 1000 if time_ms > 0 else None,
        ),
        with_prompt=True,
    )
    return Asked(
        prompts=prompts,
        options=options,
        model=fields.text(body, "model", ""),
        mode=cast("Mode | None", fields.choice(body, "mode", MODES, None)),
        stream=fields.flag(body, "stream"),
        bias=fields.logit_bias(body),
        ignores_end=fields.flag(body, "ignore_eos"),
        ignored=fields.ignored(body, _KNOWN, _NEUTRAL),
    )


def _token_ids(body: dict[str, Any], n_vocab: int) -> list[int]:
    """The field `tokens`: ids below `n_vocab`. Raises BadBody."""
    value = body.get("tokens")
    if not isinstance(value, list) or not all(type(i) is int and 0 <= i < n_vocab for i in value):
        raise fields.BadBody(f"'tokens' has to be a list of ids below {n_vocab}.")
    return value


def _piece(token: int, data: bytes) -> dict[str, Any]:
    """A token as llama-server's `with_pieces` gives it: text, or bytes where they are no text of their own."""
    try:
        return {"id": token, "piece": data.decode()}
    except UnicodeDecodeError:
        return {"id": token, "piece": list(data)}


def _snippets(body: dict[str, Any]) -> tuple[Snippet, ...]:
    extra = fields.given(body, "input_extra", [])
    if not isinstance(extra, list) or not all(isinstance(each, dict) for each in extra):
        raise fields.BadBody("'input_extra' has to be a list of objects with 'filename' and 'text'.")
    return tuple(
        Snippet(PurePath(fields.text(each, "filename", "tmp")).as_posix(), fields.text(each, "text")) for each in extra
    )
