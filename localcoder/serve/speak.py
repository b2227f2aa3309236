"""Bodies in, data out, and back: the fields of llama-server's `/infill` and of OpenAI's `/v1/completions`.

llama-server's are described in its `tools/server/README.md`, OpenAI's in its API reference (legacy completions).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, TypeVar, cast

from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document, Snippet
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.layout import LAYOUTS, LayoutName
from localcoder.engine.api import Sampling

MAX_TOKENS = 4096
MAX_ALTERNATIVES = 8
DEFAULT_FIRST_TOKEN_S = 1.5
_STOP_TYPES = {"length": "limit", "time": "limit", "end": "eos", "cancelled": "none"}
_FINISH_REASONS = {"length": "length", "time": "length"}

T = TypeVar("T")


class BadBody(Exception):
    """A field is missing or wrong; the message is one line for the client."""


def read_infill(body: dict[str, Any], usual: Options) -> tuple[Document, Options, bool]:
    """The document, the options and whether to stream, of a request to `/infill`. Raises BadBody.

    As in llama-server, `prompt` is what was typed between prefix and middle. Two fields are localcoder's own:
    `mode` (line, block, free) and `layout` (psm, spm); `first_token_budget_ms` 0 reads the whole prompt first.
    What the body leaves out is as in `usual`.
    """
    before = text(body, "input_prefix", "") + text(body, "prompt", "")
    document = Document(before + text(body, "input_suffix", ""), len(before), snippets=_snippets(body))
    sampling = Sampling(
        temperature=_number(body, "temperature", usual.sampling.temperature, 0, 100),
        top_k=int(_number(body, "top_k", 0, 0, 1 << 20)),
        top_p=_number(body, "top_p", 1.0, 0, 1),
        min_p=_number(body, "min_p", 0.0, 0, 1),
        repeat_penalty=_number(body, "repeat_penalty", 1.0, 0.01, 10),
        repeat_last_n=int(_number(body, "repeat_last_n", 64, 0, 1 << 16)),
        seed=_seed(body),
    )
    predict = int(_number(body, "n_predict", usual.max_tokens, -2, 1 << 20))
    time_ms = _number(body, "t_max_predict_ms", 0, 0, 1e9)
    options = Options(
        layout=cast(LayoutName, _choice(body, "layout", LAYOUTS, usual.layout)),
        mode=cast(Mode, _choice(body, "mode", MODES, usual.mode)),
        max_tokens=min(predict, MAX_TOKENS) if predict >= 0 else usual.max_tokens,
        sampling=sampling,
        first_token_s=_first_token_s(body),
        time_budget_s=time_ms / 1000 if time_ms else None,
        with_prompt=True,
    )
    return document, options, _flag(body, "stream")


def read_completions(body: dict[str, Any]) -> tuple[Document, Options, bool]:
    """The document, the options and whether to stream, of a request to `/v1/completions`.

    Without a `suffix` it is still a fill-in-the-middle prompt, with nothing behind the cursor. Raises BadBody.
    """
    prompt = text(body, "prompt")
    sampling = Sampling(
        temperature=_number(body, "temperature", 1.0, 0, 2),
        top_p=_number(body, "top_p", 1.0, 0, 1),
        seed=_seed(body),
    )
    options = Options(
        mode=cast(Mode, _choice(body, "mode", MODES, "free")),
        alternatives=int(_number(body, "n", 1, 1, MAX_ALTERNATIVES)),
        max_tokens=max(1, int(_number(body, "max_tokens", 16, 0, MAX_TOKENS))),
        sampling=sampling,
        logprobs=body.get("logprobs") not in (None, False),
        first_token_s=_first_token_s(body),
    )
    stream = _flag(body, "stream")
    if stream and options.alternatives > 1:
        raise BadBody("'n' above 1 cannot be streamed.")
    return Document(prompt + text(body, "suffix", ""), len(prompt)), options, stream


def infill_chunk(delta: TextDelta) -> dict[str, Any]:
    return {"content": delta.text, "stop": False}


def infill_result(completion: Completion) -> dict[str, Any]:
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


def infill_nothing(model: str) -> dict[str, Any]:
    """The answer to `n_predict` 0, which asks to read ahead."""
    return {"content": "", "stop": True, "model": model, "stop_type": "limit", "tokens_predicted": 0, "timings": {}}


def openai_chunk(delta: TextDelta) -> dict[str, Any]:
    return {"choices": [{"text": delta.text, "index": 0, "logprobs": None, "finish_reason": None}]}


def openai_last_chunk(completion: Completion) -> dict[str, Any]:
    reason = _FINISH_REASONS.get(completion.reason, "stop")
    choice = {"text": "", "index": 0, "logprobs": None, "finish_reason": reason}
    return {"choices": [choice], "usage": _usage(completion)}


def openai_result(completion: Completion) -> dict[str, Any]:
    choices = [
        {
            "text": each.text,
            "index": index,
            "logprobs": _logprobs(each),
            "finish_reason": _FINISH_REASONS.get(each.reason, "stop"),
        }
        for index, each in enumerate((completion, *completion.others))
    ]
    return {"choices": choices, "usage": _usage(completion)}


def text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """A string field. Raises BadBody."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise BadBody(f"'{name}' has to be a string.")
    return value


def token_ids(body: dict[str, Any], n_vocab: int) -> list[int]:
    """The field `tokens`: ids below `n_vocab`. Raises BadBody."""
    value = body.get("tokens")
    if not isinstance(value, list) or not all(type(i) is int and 0 <= i < n_vocab for i in value):
        raise BadBody(f"'tokens' has to be a list of ids below {n_vocab}.")
    return value


def piece(token: int, data: bytes) -> dict[str, Any]:
    """A token as llama-server's `with_pieces` gives it: text, or bytes where they are no text of their own."""
    try:
        return {"id": token, "piece": data.decode()}
    except UnicodeDecodeError:
        return {"id": token, "piece": list(data)}


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


def _snippets(body: dict[str, Any]) -> tuple[Snippet, ...]:
    extra = body.get("input_extra") or []
    if not isinstance(extra, list) or not all(isinstance(each, dict) for each in extra):
        raise BadBody("'input_extra' has to be a list of objects with 'filename' and 'text'.")
    return tuple(Snippet(PurePath(text(each, "filename", "tmp")).as_posix(), text(each, "text")) for each in extra)


def _first_token_s(body: dict[str, Any]) -> float | None:
    budget_ms = _number(body, "first_token_budget_ms", DEFAULT_FIRST_TOKEN_S * 1000, 0, 1e9)
    return budget_ms / 1000 if budget_ms else None


def _seed(body: dict[str, Any]) -> int:
    seed = int(_number(body, "seed", 0, -1, 2**32 - 1))
    return max(seed, 0)


def _number(body: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"'{name}' has to be a number.")
    # An int may be too large for a float; NaN is between nothing.
    if not low <= value <= high:
        raise BadBody(f"'{name}' has to be between {low} and {high}.")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadBody(f"'{name}' has to be true or false.")
    return value


def _choice(body: dict[str, Any], name: str, choices: Sequence[str], default: str) -> str:
    value = body.get(name, default)
    if value not in choices:
        raise BadBody(f"'{name}' has to be one of {', '.join(choices)}.")
    return cast(str, value)
