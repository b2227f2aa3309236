"""llama.cpp's llama-server: `/completion` with ids. Fields as in its tools/server/README.md and server-schema.cpp.

It ignores the model's sliding window, so that prompts end at 4,096 tokens, where none is needed yet. It ends at the end
tokens that the GGUF names; at the others, the stream is closed here. Which of its slots a prompt goes to is left to it:
it takes the one whose text has the longest beginning in common, whoever else uses them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from localcoder.engine.api import TokenScore
from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.server import WINDOW, About, Ask, Call, Chunk, Reader, Tokenized
from localcoder.errors import LocalcoderError

# A server may have been started with others: what is not ours is turned off.
_NO_OTHER_SAMPLERS = {
    "typical_p": 1.0, "top_n_sigma": -1.0, "xtc_probability": 0.0, "dynatemp_range": 0.0, "mirostat": 0,
    "dry_multiplier": 0.0,
}  # fmt: skip


class LlamaServer:
    kind = "llama-server"
    takes_ids = True

    def __init__(self, connection: Connection, props: Mapping[str, Any]) -> None:
        self._connection = connection
        self._props = props

    async def about(self) -> About:
        (model, *_) = (await self._connection.get("/v1/models"))["data"]
        meta = model.get("meta") or {}
        context = int(self._props["default_generation_settings"]["n_ctx"])
        name = str(self._props.get("model_alias") or model["id"]).rsplit("/", 1)[-1].removesuffix(".gguf")
        return About(
            model=name,
            context=min(context, WINDOW),
            type_name=str(self._props.get("model_ftype") or meta.get("ftype") or ""),
            size_bytes=int(meta.get("size") or 0),
            parameters=int(meta.get("n_params") or 0),
            n_vocab=int(meta.get("n_vocab") or 0),
        )

    def generation(self, ask: Ask) -> Call:
        sampling = ask.sampling
        return Call(
            "/completion",
            {
                "prompt": list(ask.ids),
                "n_predict": ask.max_tokens,
                "stream": True,
                "cache_prompt": True,
                "return_tokens": True,
                "return_progress": True,
                "n_probs": int(ask.logprobs),
                "temperature": sampling.temperature,
                "top_k": sampling.top_k,
                "top_p": sampling.top_p,
                "min_p": sampling.min_p,
                "repeat_penalty": sampling.repeat_penalty,
                "repeat_last_n": sampling.repeat_last_n,
                "frequency_penalty": sampling.frequency_penalty,
                "presence_penalty": sampling.presence_penalty,
                "seed": sampling.seed,
                "logit_bias": [list(pair) for pair in sampling.logit_bias],
                **_NO_OTHER_SAMPLERS,
            },
        )

    def reading(self, ids: Sequence[int]) -> Call:
        body = {"prompt": list(ids), "n_predict": 0, "stream": True, "cache_prompt": True, "return_progress": True}
        return Call("/completion", body)

    def reader(self) -> Reader:
        return _chunk

    async def tokenize(self, text: str, *, control: bool = False) -> Tokenized:
        body = {"content": text, "add_special": False, "parse_special": control, "with_pieces": True}
        tokens = (await self._connection.post("/tokenize", body))["tokens"]
        # A piece that is no text is an array of its bytes.
        pieces = (each["piece"] for each in tokens)
        return Tokenized(
            tuple(each["id"] for each in tokens),
            tuple(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces),
        )

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        async def piece(token: int) -> bytes:
            answer = await self._connection.post("/detokenize", {"tokens": [token]})
            return str(answer["content"]).encode()

        return await asyncio.gather(*map(piece, ids))

    async def score(self, ids: Sequence[int], start: int, top: int) -> list[TokenScore]:
        raise LocalcoderError(
            "llama-server does not tell how likely a given text is.", "Use the model's file, or vLLM."
        )


def _chunk(event: Mapping[str, Any]) -> Chunk:
    timings = event.get("timings") or {}
    speed = timings.get("prompt_per_second") or None
    if progress := event.get("prompt_progress"):
        # Such an event has a token 0 that nobody generated.
        return Chunk(read=progress["processed"], reused=progress["cache"], read_tokens_per_s=speed)
    chosen = event.get("completion_probabilities") or ()
    return Chunk(
        ids=tuple(event.get("tokens") or ()),
        text=event.get("content") or "",
        logprobs=tuple(each.get("logprob") for each in chosen),
        reused=timings.get("cache_n"),
        read_tokens_per_s=speed if (timings.get("prompt_n") or 0) > 0 else None,
        stop=("length" if event.get("stop_type") == "limit" else "end") if event.get("stop") else None,
    )
