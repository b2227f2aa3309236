"""Any other server that speaks OpenAI's `/v1/completions`: text, since ids there are some servers' own addition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcoder.engine.remote.connection import Connection
from localcoder.engine.remote.models import choose
from localcoder.engine.remote.server import WINDOW, About, Ask, Call, Chunk, Reader
from localcoder.engine.remote.text_server import TextServer, stops

_MOST_STOPS = 4


class OpenAI(TextServer):
    kind = "OpenAI-compatible server"

    def __init__(self, connection: Connection, models: Sequence[Mapping[str, Any]]) -> None:
        self._model = choose(models, connection.access.address)

    async def about(self) -> About:
        """Nothing is known of its window, so that prompts stay within the smallest that matters."""
        context = self._model.get("max_model_len") or self._model.get("context_length") or WINDOW
        return About(str(self._model["id"]).rsplit("/", 1)[-1], min(int(context), WINDOW))

    def generation(self, ask: Ask) -> Call:
        body: dict[str, Any] = {
            "model": self._model["id"],
            "prompt": ask.text,
            "max_tokens": ask.max_tokens,
            "temperature": ask.sampling.temperature,
            "top_p": ask.sampling.top_p,
            "frequency_penalty": ask.sampling.frequency_penalty,
            "presence_penalty": ask.sampling.presence_penalty,
            "stop": stops(ask, _MOST_STOPS),
            "stream": True,
        }
        if ask.sampling.temperature > 0:
            body["seed"] = ask.sampling.seed
        return Call("/v1/completions", body)

    def reader(self) -> Reader:
        return _chunk


def _chunk(event: Mapping[str, Any]) -> Chunk:
    if not event["choices"]:
        return Chunk()
    choice = event["choices"][0]
    finish = choice.get("finish_reason")
    return Chunk(
        text=choice.get("text") or "",
        stop=None if finish is None else "length" if finish == "length" else "end",
    )
