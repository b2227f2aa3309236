"""Ollama: `/api/generate` with `raw` text. Fields as in its api/types.go and docs/api.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.models import choose
from localcoder.engine.remote.server import WINDOW, About, Ask, Call, Chunk, Reader
from localcoder.engine.remote.text_server import TextServer
from localcoder.errors import LocalcoderError


class Ollama(TextServer):
    kind = "Ollama"

    def __init__(self, connection: Connection, models: Sequence[Mapping[str, Any]]) -> None:
        address = connection.access.address
        # Its models are not loaded before they are asked for: any may be meant, a StarCoder2 is.
        ours = [model for model in models if (model.get("details") or {}).get("family") == "starcoder2"]
        self._model = choose(models if address.model else ours, address, "name")
        self._connection = connection

    async def about(self) -> About:
        shown = await self._connection.post("/api/show", {"model": self._model["name"]})
        info = shown.get("model_info") or {}
        architecture = info.get("general.architecture")
        if architecture != "starcoder2":
            raise LocalcoderError(
                f"{self._model['name']} is a model of architecture {architecture!r}, not a StarCoder2.",
                "Give the address of a StarCoder2, with #NAME behind it.",
                exit_code=2,
            )
        return About(
            model=str(self._model["name"]),
            context=min(int(info.get("starcoder2.context_length") or WINDOW), WINDOW),
            type_name=str((shown.get("details") or {}).get("quantization_level") or ""),
            size_bytes=int(self._model.get("size") or 0),
            parameters=int(info.get("general.parameter_count") or 0),
        )

    def generation(self, ask: Ask) -> Call:
        sampling = ask.sampling
        options: dict[str, Any] = {
            "num_predict": ask.max_tokens,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
            "repeat_last_n": sampling.repeat_last_n,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "seed": sampling.seed,
            "stop": list(ask.end_names),
            # Always the same: with another the model is loaded anew. What is longer it would cut without a word.
            "num_ctx": WINDOW,
        }
        body = {"model": self._model["name"], "prompt": ask.text, "raw": True, "stream": True, "options": options}
        return Call("/api/generate", body)

    def reader(self) -> Reader:
        return _chunk


def _chunk(event: Mapping[str, Any]) -> Chunk:
    read, spent_ns = event.get("prompt_eval_count"), event.get("prompt_eval_duration")
    return Chunk(
        text=event.get("response") or "",
        read_tokens_per_s=read / (spent_ns / 1e9) if read and spent_ns else None,
        stop=("length" if event.get("done_reason") == "length" else "end") if event.get("done") else None,
    )
