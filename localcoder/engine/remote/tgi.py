"""Hugging Face's text-generation-inference: `/generate_stream` with text. Fields as in its router/src/lib.rs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcoder.engine.remote.server import WINDOW, About, Ask, Call, Chunk, Reader
from localcoder.engine.remote.text_server import TextServer, stops

_MOST_STOPS = 4
"""`max_stop_sequences`, unless it was started with another."""


class TGI(TextServer):
    kind = "text-generation-inference"

    def __init__(self, info: Mapping[str, Any]) -> None:
        self._info = info

    async def about(self) -> About:
        name = str(self._info["model_id"]).rstrip("/").rsplit("/", 1)[-1]
        return About(name, int(self._info["max_total_tokens"]), window=WINDOW)

    def generation(self, ask: Ask) -> Call:
        sampling = ask.sampling
        parameters: dict[str, Any] = {
            "max_new_tokens": ask.max_tokens,
            "stop": stops(ask, int(self._info.get("max_stop_sequences") or _MOST_STOPS)),
            "do_sample": sampling.temperature > 0,
            "return_full_text": False,
        }
        # 0 is refused where it means that there is none.
        if sampling.temperature > 0:
            parameters |= {"temperature": sampling.temperature, "seed": sampling.seed}
            parameters |= {"top_k": sampling.top_k} if sampling.top_k else {}
            parameters |= {"top_p": sampling.top_p} if sampling.top_p < 1 else {}
        if sampling.repeat_penalty != 1.0:
            parameters["repetition_penalty"] = sampling.repeat_penalty
        return Call("/generate_stream", {"inputs": ask.text, "parameters": parameters})

    def reader(self) -> Reader:
        return _chunk


def _chunk(event: Mapping[str, Any]) -> Chunk:
    token = event["token"]
    finish = (event.get("details") or {}).get("finish_reason")
    if finish is None and event.get("generated_text") is not None:
        finish = "stop"
    return Chunk(
        ids=(token["id"],),
        text=token["text"],
        logprobs=(token.get("logprob"),),
        stop=None if finish is None else "length" if finish == "length" else "end",
    )
