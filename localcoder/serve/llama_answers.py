"""What llama-server answers to `/infill` and `/completion`: whole, or event by event."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.engine.api import Engine, ModelInfo, Stats, Token
from localcoder.serve.asked import Asked, Run
from localcoder.serve.fields import BadBody
from localcoder.serve.findings import findings_of

_STOP_TYPES = {"length": "limit", "time": "limit", "indent": "limit", "end": "eos", "cancelled": "none"}
"""Where the text ends for its own reasons, it ends as if a word had ended it."""
_LEAST_LOGPROB = -1e9
"""In the place of −∞, which JSON does not have."""


class Answers:
    """To one body. `say` is called with the updates of one run after the other."""

    def __init__(self, body: dict[str, Any], asked: Asked, info: ModelInfo) -> None:
        self._fields = _response_fields(body)
        self._returns_tokens = body.get("return_tokens") is True
        self._times_tokens = body.get("timings_per_token") is True
        self._asked = asked
        self._info = info
        self._settings = {**settings_of(asked.options, info), "stream": asked.stream}
        self._generated = 0
        self._first_s = 0.0

    async def say(self, run: Run, update: TextDelta | Completion) -> list[dict[str, Any]]:
        """An event of text, or the last one of the run, before which those alternatives come that were not streamed."""
        index = run.index * run.options.alternatives
        if isinstance(update, TextDelta):
            return [await self._partial(run, update, index)]
        self._generated = 0
        others = [
            {"index": index + number, "content": each.text, "tokens": [], "stop": False}
            for number, each in enumerate(update.others, 1)
        ]
        return [*others, *await self.whole(run, update)]

    async def whole(self, run: Run, completion: Completion) -> list[dict[str, Any]]:
        """An answer for each alternative; after a stream, without the text."""
        index = run.index * run.options.alternatives
        return [
            await self._final(run, completion, each, index + number)
            for number, each in enumerate((completion, *completion.others))
        ]

    def nothing(self, run: Run) -> dict[str, Any]:
        """The answer to `n_predict` 0."""
        return self._chosen(
            {
                "index": run.index,
                "content": "",
                "tokens": [],
                "stop": True,
                "model": self._info.name,
                "stop_type": "limit",
                "tokens_predicted": 0,
                "generation_settings": self._settings,
                "timings": {},
                "ignored_fields": list(self._asked.ignored),
            }
        )

    async def _partial(self, run: Run, delta: TextDelta, index: int) -> dict[str, Any]:
        ids = [token.id for token in delta.tokens if token.id >= 0]
        if not self._generated:
            self._first_s = time.monotonic()
        self._generated += len(ids)
        read = delta.read
        said: dict[str, Any] = {
            "index": index,
            "content": delta.text,
            "tokens": ids,
            "stop": False,
            "tokens_predicted": self._generated,
            "tokens_evaluated": read.total if read else 0,
        }
        if self._times_tokens and read is not None:
            generating_s = time.monotonic() - self._first_s
            per_s = (self._generated - 1) / generating_s if generating_s > 0 else 0.0
            stats = Stats(
                read.total - read.reused,
                read.reused,
                self._generated,
                read.elapsed_s,
                per_s,
                read.elapsed_s + generating_s,
            )
            said["timings"] = _timings(stats, self._generated)
        if run.options.top_logprobs:
            said["completion_probabilities"] = await _probabilities(delta.tokens, run.scheduler.engine)
        return said

    async def _final(self, run: Run, first: Completion, completion: Completion, index: int) -> dict[str, Any]:
        stats, tokens = first.stats, [token for token in completion.tokens if token.id >= 0]
        said: dict[str, Any] = {
            "index": index,
            "content": "" if self._asked.stream else completion.text,
            "tokens": [token.id for token in tokens] if self._returns_tokens and not self._asked.stream else [],
            "id_slot": 0,
            "stop": True,
            "model": first.model,
            "tokens_predicted": len(tokens),
            "tokens_evaluated": stats.tokens_read + stats.tokens_reused,
            "generation_settings": self._settings,
            "prompt": first.prompt,
            "has_new_line": "\n" in completion.text,
            "truncated": first.is_cut,
            "stop_type": _STOP_TYPES.get(completion.reason, "word"),
            "stop_reason": completion.reason,
            "stopping_word": completion.stopping_word,
            "tokens_cached": stats.tokens_reused,
            "timings": _timings(stats, len(tokens)),
            "ignored_fields": list(self._asked.ignored),
            **findings_of(completion),
        }
        if run.options.top_logprobs and not self._asked.stream:
            said["completion_probabilities"] = await _probabilities(completion.tokens, run.scheduler.engine)
        return self._chosen(said)

    def _chosen(self, said: dict[str, Any]) -> dict[str, Any]:
        """Those that were asked for, under the names that were asked for: `timings/prompt_n` is one key."""
        if self._fields is None:
            return said
        found: dict[str, Any] = {}
        for name in self._fields:
            value: Any = said
            for key in name.split("/"):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found[name] = value
        return found


def settings_of(options: Options, info: ModelInfo) -> dict[str, Any]:
    """How an answer is made, in llama-server's names; only what has an effect here."""
    sampling, stop = options.sampling, options.stop
    return {
        "n_ctx": info.n_ctx_train,
        "model": info.name,
        "seed": sampling.seed,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_last_n": sampling.repeat_last_n,
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "stop": list(stop.words),
        "n_predict": options.max_tokens,
        "max_tokens": options.max_tokens,
        "n_indent": stop.least_indent,
        "t_max_predict_ms": int((stop.time_budget_s or 0) * 1000),
        "n_probs": options.top_logprobs,
        "mode": options.mode,
        "layout": options.layout,
        "samplers": ["penalties", "top_k", "top_p", "min_p", "temperature"],
    }


def _response_fields(body: dict[str, Any]) -> list[str] | None:
    """None: all. Raises BadBody."""
    names = body.get("response_fields")
    if names is None or names == []:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadBody("'response_fields' has to be a list of strings.")
    return names


def _timings(stats: Stats, generated: int) -> dict[str, Any]:
    read_s, generating_s = stats.first_token_s, max(0.0, stats.elapsed_s - stats.first_token_s)
    return {
        "cache_n": stats.tokens_reused,
        "prompt_n": stats.tokens_read,
        "prompt_ms": read_s * 1000,
        "prompt_per_token_ms": read_s * 1000 / stats.tokens_read if stats.tokens_read else 0.0,
        "prompt_per_second": stats.tokens_read / read_s if read_s else 0.0,
        "predicted_n": generated,
        "predicted_ms": generating_s * 1000,
        "predicted_per_token_ms": generating_s * 1000 / generated if generated else 0.0,
        "predicted_per_second": stats.tokens_per_s,
    }


async def _probabilities(tokens: Sequence[Token], engine: Engine) -> list[dict[str, Any]]:
    """Of each token, how likely it was and what else was likely there."""
    told = [token for token in tokens if token.id >= 0]
    ids = [i for token in told for i in (token.id, *(top for top, _ in token.top))]
    pieces = dict(zip(ids, await engine.pieces(ids) if ids else [], strict=True))

    def one(i: int, logprob: float | None) -> dict[str, Any]:
        data = pieces[i]
        logprob = _LEAST_LOGPROB if logprob is None else max(logprob, _LEAST_LOGPROB)
        return {"id": i, "token": data.decode("utf-8", "replace"), "bytes": list(data), "logprob": logprob}

    return [{**one(token.id, token.logprob), "top_logprobs": [one(*top) for top in token.top]} for token in told]
