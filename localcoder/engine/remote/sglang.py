"""SGLang: `/generate` with ids. Fields as in its docs/basic_usage/sampling_params.md and srt/managers/io_struct.py.

The version that was read does not know StarCoder2's sliding window, so that prompts end at 4,096 tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from localcoder.engine.api import TokenScore
from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.failures import NotOffered
from localcoder.engine.remote.server import WINDOW, About, Ask, Call, Chunk, Reader, Tokenized, choosing
from localcoder.engine.remote.text import apart
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError


class SGLang:
    kind = "SGLang"
    takes_ids = True

    def __init__(self, connection: Connection, info: Mapping[str, Any]) -> None:
        self._connection = connection
        self._info = info

    async def about(self) -> About:
        lengths: Mapping[str, Any] = {}
        with suppress(NotOffered):
            lengths = await self._connection.get("/get_server_info")
        context = lengths.get("context_length") or lengths.get("max_req_input_len") or WINDOW
        return About(str(self._info["model_path"]).rstrip("/").rsplit("/", 1)[-1], min(int(context), WINDOW))

    def generation(self, ask: Ask) -> Call:
        sampling = ask.sampling
        params: dict[str, Any] = {
            "max_new_tokens": ask.max_tokens,
            **choosing(ask),
            # What is generated is all to be seen.
            "no_stop_trim": True,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }
        if sampling.temperature > 0:
            params["sampling_seed"] = sampling.seed
        if sampling.logit_bias:
            params["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
        return self._generate(ask.ids, params, stream=True, return_logprob=ask.logprobs)

    def reading(self, ids: Sequence[int]) -> Call:
        # It generates a token at least.
        return self._generate(ids, {"max_new_tokens": 1, "temperature": 0.0}, stream=True)

    def reader(self) -> Reader:
        return _Reader()

    async def tokenize(self, text: str, *, control: bool = False) -> Tokenized:
        """Its tokenizer sees a control token in every name: what is the user's is cut apart."""
        parts = list(filter(None, [text] if control else apart(text, CONTROL_NAMES)))
        answers = await asyncio.gather(
            *(self._connection.post("/tokenize", {"prompt": part, "add_special_tokens": False}) for part in parts)
        )
        return Tokenized(tuple(token for answer in answers for token in answer["tokens"]))

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        async def piece(token: int) -> bytes:
            body = {"tokens": [token], "skip_special_tokens": False}
            return str((await self._connection.post("/detokenize", body))["text"]).encode()

        return await asyncio.gather(*map(piece, ids))

    async def score(self, ids: Sequence[int], start: int, top: int) -> list[TokenScore]:
        call = self._generate(
            ids, {"max_new_tokens": 0, "temperature": 0.0},
            return_logprob=True, logprob_start_len=start - 1, top_logprobs_num=top,
        )  # fmt: skip
        meta = (await self._connection.post(call.path, call.body))["meta_info"]
        # Each entry is [log-probability, id, text]; the first has nothing before it that counts.
        scored = meta["input_token_logprobs"][-(len(ids) - start) :]
        likely = (meta.get("input_top_logprobs") or [None] * len(scored))[-len(scored) :]
        return [
            TokenScore(float(entry[0]), tuple((int(i), float(logprob)) for logprob, i, _ in (best or ())[:top]))
            for entry, best in zip(scored, likely, strict=True)
        ]

    def _generate(self, ids: Sequence[int], params: Mapping[str, Any], **more: object) -> Call:
        return Call("/generate", {"input_ids": list(ids), "sampling_params": params, **more})


class _Reader:
    """Of one stream. Depending on the version and on how it was started, an event has all ids or those that are new."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, event: Mapping[str, Any]) -> Chunk:
        meta = event["meta_info"]
        total = int(meta["completion_tokens"])
        new = max(0, total - self._seen)
        ids = tuple(event["output_ids"])[-new:] if new else ()
        self._seen = max(total, self._seen)
        logprobs = (meta.get("output_token_logprobs") or ())[-new:] if new else ()
        finish = meta.get("finish_reason") or {}
        if finish.get("type") == "abort":
            raise LocalcoderError(
                f"SGLang ended it: {finish.get('message') or 'aborted'}.", "Look at the server's log."
            )
        return Chunk(
            ids=ids,
            # Its text, too, is all or new, not always as the ids are.
            text=None,
            logprobs=tuple(entry[0] for entry in logprobs),
            reused=meta.get("cached_tokens"),
            stop=None if not finish else "length" if finish["type"] == "length" else "end",
        )
