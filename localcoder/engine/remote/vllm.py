"""vLLM: `/v1/completions` with ids. Fields as in its entrypoints/openai/completion/protocol.py and serve/tokenize.

It honours the sliding window, ends at any id, and says which tokens it generated. How many were cached it says only
when it was started with `--enable-prompt-tokens-details`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from localcoder.engine.api import TokenScore
from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.models import choose
from localcoder.engine.remote.server import WINDOW, About, Ask, Call, Chunk, Reader, Tokenized, choosing
from localcoder.engine.remote.text import apart, bytes_of
from localcoder.engine.vocab import CONTROL_NAMES

_LARGEST_BIAS = 100.0
"""vLLM clamps to it; nothing is left of a token that is −100 down."""


class VLLM:
    kind = "vLLM"
    takes_ids = True

    def __init__(self, connection: Connection, models: Sequence[Mapping[str, Any]], salt: str = "") -> None:
        self._connection = connection
        self._model = choose(models, connection.access.address)
        self._salt = {"cache_salt": salt} if salt else {}

    async def about(self) -> About:
        name = str(self._model["id"])
        return About(name.rsplit("/", 1)[-1], int(self._model["max_model_len"]), window=WINDOW)

    def generation(self, ask: Ask) -> Call:
        sampling = ask.sampling
        body: dict[str, Any] = {
            "max_tokens": ask.max_tokens,
            **choosing(ask),
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,
        }
        if sampling.temperature > 0:
            body["seed"] = sampling.seed
        if sampling.logit_bias:
            body["logit_bias"] = {
                str(token): max(-_LARGEST_BIAS, min(_LARGEST_BIAS, bias)) for token, bias in sampling.logit_bias
            }
        if ask.logprobs:
            body["logprobs"] = 0
        return self._completions(ask.ids, body)

    def reading(self, ids: Sequence[int]) -> Call:
        # It generates a token at least.
        return self._completions(ids, {"max_tokens": 1, "temperature": 0.0, "stream": True})

    def reader(self) -> Reader:
        return _chunk

    async def tokenize(self, text: str, *, control: bool = False) -> Tokenized:
        """Its tokenizer sees a control token in every name: what is the user's is cut apart."""
        parts = [text] if control else apart(text, CONTROL_NAMES)
        ids: list[int] = []
        pieces: list[bytes] = []
        for answer in await asyncio.gather(*map(self._tokenize, filter(None, parts))):
            ids += answer["tokens"]
            pieces += map(bytes_of, answer.get("token_strs") or ())
        return Tokenized(tuple(ids), tuple(pieces))

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        async def piece(token: int) -> bytes:
            body = {"model": self._model["id"], "tokens": [token]}
            return str((await self._connection.post("/detokenize", body))["prompt"]).encode()

        return await asyncio.gather(*map(piece, ids))

    async def score(self, ids: Sequence[int], start: int, top: int) -> list[TokenScore]:
        body = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": top}
        call = self._completions(ids, body)
        answer = await self._connection.post(call.path, call.body)
        scored = answer["choices"][0]["prompt_logprobs"][start:]
        return [_score(token, likely, top) for token, likely in zip(ids[start:], scored, strict=True)]

    def _completions(self, ids: Sequence[int], body: Mapping[str, Any]) -> Call:
        prompt = {
            "model": self._model["id"],
            "prompt": list(ids),
            # What is generated is all to be seen.
            "include_stop_str_in_output": True,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            **self._salt,
        }
        return Call("/v1/completions", {**prompt, **body})

    async def _tokenize(self, text: str) -> Mapping[str, Any]:
        body = {"model": self._model["id"], "prompt": text, "add_special_tokens": False, "return_token_strs": True}
        answer: Mapping[str, Any] = await self._connection.post("/tokenize", body)
        return answer


def _chunk(event: Mapping[str, Any]) -> Chunk:
    usage = event.get("usage") or {}
    reused = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    if not event["choices"]:
        return Chunk(reused=reused)
    (choice,) = event["choices"]
    finish = choice.get("finish_reason")
    return Chunk(
        ids=tuple(choice.get("token_ids") or ()),
        text=choice["text"],
        logprobs=tuple((choice.get("logprobs") or {}).get("token_logprobs") or ()),
        reused=reused,
        stop=None if finish is None else "length" if finish == "length" else "end",
    )


def _score(token: int, likely: Mapping[str, Mapping[str, Any]], top: int) -> TokenScore:
    """`likely`: id → its log-probability and rank, of the token itself too."""
    ranked = sorted((int(i) for i in likely), key=lambda i: likely[str(i)]["rank"])
    best = tuple((i, float(likely[str(i)]["logprob"])) for i in ranked[:top])
    return TokenScore(float(likely[str(token)]["logprob"]), best)
