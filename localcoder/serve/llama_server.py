"""llama-server's dialect: bodies in, data out, as its `tools/server/README.md` describes them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcoder import __version__
from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document, Snippet
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.layout import LAYOUTS, LayoutName
from localcoder.completion.scheduler import Scheduler
from localcoder.engine.api import Engine, Sampling
from localcoder.serve import fields
from localcoder.serve.body import read_body
from localcoder.serve.noting import Noting
from localcoder.serve.running import events, finish, updates

_STOP_TYPES = {"length": "limit", "time": "limit", "end": "eos", "cancelled": "none"}


def routes() -> list[Route]:
    return [
        Route("/infill", _infill, methods=["POST"]),
        Route("/tokenize", _tokenize, methods=["POST"]),
        Route("/detokenize", _detokenize, methods=["POST"]),
        Route("/props", _props, methods=["GET"]),
    ]


async def _infill(request: HttpRequest) -> Response:
    document, options, stream = _read_infill(await read_body(request), request.app.state.usual)
    scheduler: Scheduler = request.app.state.scheduler
    if options.max_tokens == 0:
        noting: Noting | None = request.app.state.noting
        if noting is not None:
            noting.seen(document)
        await scheduler.read_ahead(document, options)
        return JSONResponse(_nothing((await scheduler.engine.info()).name))
    if stream:
        coming = updates(request, document, options)
        return await events(request, coming, _chunk, _result)
    completion = await finish(request, document, options)
    return JSONResponse({**_result(completion), "content": completion.text})


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
    body = await read_body(request)
    content = fields.text(body, "content")
    engine: Engine = request.app.state.scheduler.engine
    (ids,) = await engine.tokenize([content])
    if not body.get("with_pieces"):
        return JSONResponse({"tokens": ids})
    pieces = await engine.pieces(ids)
    return JSONResponse({"tokens": [_piece(i, data) for i, data in zip(ids, pieces, strict=True)]})


async def _detokenize(request: HttpRequest) -> Response:
    engine: Engine = request.app.state.scheduler.engine
    ids = _token_ids(await read_body(request), (await engine.info()).n_vocab)
    return JSONResponse({"content": b"".join(await engine.pieces(ids)).decode("utf-8", "replace")})


def _read_infill(body: dict[str, Any], usual: Options) -> tuple[Document, Options, bool]:
    """The document, the options and whether to stream, of a request to `/infill`. Raises BadBody.

    As in llama-server, `prompt` is what was typed between prefix and middle. Two fields are localcoder's own:
    `mode` (line, block, free) and `layout` (psm, spm); `first_token_budget_ms` 0 reads the whole prompt first.
    What the body leaves out is as in `usual`.
    """
    before = fields.text(body, "input_prefix", "") + fields.text(body, "prompt", "")
    document = Document(before + fields.text(body, "input_suffix", ""), len(before), snippets=_snippets(body))
    sampling = Sampling(
        temperature=fields.number(body, "temperature", usual.sampling.temperature, 0, 100),
        top_k=int(fields.number(body, "top_k", 0, 0, 1 << 20)),
        top_p=fields.number(body, "top_p", 1.0, 0, 1),
        min_p=fields.number(body, "min_p", 0.0, 0, 1),
        repeat_penalty=fields.number(body, "repeat_penalty", 1.0, 0.01, 10),
        repeat_last_n=int(fields.number(body, "repeat_last_n", 64, 0, 1 << 16)),
        seed=fields.seed(body),
    )
    predict = int(fields.number(body, "n_predict", usual.max_tokens, -2, 1 << 20))
    time_ms = fields.number(body, "t_max_predict_ms", 0, 0, 1e9)
    options = Options(
        layout=cast(LayoutName, fields.choice(body, "layout", LAYOUTS, usual.layout)),
        mode=cast(Mode, fields.choice(body, "mode", MODES, usual.mode)),
        max_tokens=min(predict, fields.MAX_TOKENS) if predict >= 0 else usual.max_tokens,
        sampling=sampling,
        first_token_s=fields.first_token_s(body, usual.first_token_s),
        time_budget_s=time_ms / 1000 if time_ms else None,
        with_prompt=True,
    )
    return document, options, fields.flag(body, "stream")


def _chunk(delta: TextDelta) -> dict[str, Any]:
    return {"content": delta.text, "stop": False}


def _result(completion: Completion) -> dict[str, Any]:
    """llama-server's last event: empty content, why it stopped, the prompt as the model got it, and the timings."""
    stats = completion.stats
    return {
        "content": "",
        "stop": True,
        "model": completion.model,
        "prompt": completion.prompt,
        "stop_type": _STOP_TYPES.get(completion.reason, "word"),
        "stop_reason": completion.reason,
        "tokens_cached": stats.tokens_reused,
        "tokens_evaluated": stats.tokens_read + stats.tokens_reused,
        "tokens_predicted": stats.tokens_generated,
        "truncated": False,
        "timings": {
            "cache_n": stats.tokens_reused,
            "prompt_n": stats.tokens_read,
            "prompt_ms": stats.first_token_s * 1000,
            "prompt_per_second": stats.tokens_read / stats.first_token_s if stats.first_token_s else 0.0,
            "predicted_n": stats.tokens_generated,
            "predicted_ms": max(0.0, stats.elapsed_s - stats.first_token_s) * 1000,
            "predicted_per_second": stats.tokens_per_s,
        },
    }


def _nothing(model: str) -> dict[str, Any]:
    """The answer to `n_predict` 0, which asks to read ahead."""
    return {"content": "", "stop": True, "model": model, "stop_type": "limit", "tokens_predicted": 0, "timings": {}}


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
    extra = body.get("input_extra") or []
    if not isinstance(extra, list) or not all(isinstance(each, dict) for each in extra):
        raise fields.BadBody("'input_extra' has to be a list of objects with 'filename' and 'text'.")
    return tuple(
        Snippet(PurePath(fields.text(each, "filename", "tmp")).as_posix(), fields.text(each, "text")) for each in extra
    )
