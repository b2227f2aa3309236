"""llama-server's turn: it is typed with over its /infill, and reads and generates over its /completion."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from localcoder.completion.document import Document
from localcoder.errors import LocalcoderError
from localcoder.evaluate.bench.child import Child, running
from localcoder.evaluate.bench.energy import EnergyMeter
from localcoder.evaluate.bench.figures import (
    GENERATION,
    GENERATION_ENERGY,
    LOAD,
    PEAK,
    READING_ENERGY,
    RESIDENT,
    Program,
    Sample,
    reading,
)
from localcoder.evaluate.bench.memory import watching
from localcoder.evaluate.bench.plan import Plan
from localcoder.evaluate.bench.trace import ANSWER_TOKENS, Asked, play

_HOST = "127.0.0.1"
_POLL_S = 0.01
"""Seconds between two looks whether the model is loaded."""
_SILENCE_S = 900.0
"""Chosen: a processor that reads 3 tokens a second reads a whole file in that time."""


@dataclass(frozen=True)
class LlamaServer:
    """A server for one client, its context as large as localcoder's own."""

    plan: Plan
    binary: Path
    meter: EnergyMeter

    program: Program = "llama-server"

    async def turn(self, round_: int) -> AsyncGenerator[Sample, None]:
        """One round; closing it ends the server. Raises LocalcoderError."""
        port, setup = _free_port(), self.plan.setup
        command = [
            str(self.binary), "-m", str(setup.path), "-t", str(setup.threads), "-c", str(self.plan.n_ctx), "-np", "1",
            "--host", _HOST, "--port", str(port),
        ]  # fmt: skip
        async with (
            running(command, quiet=True) as child,
            watching(child.pid) if child.pid else nullcontext() as memory,
        ):
            yield Sample(LOAD, await _loaded(child, port))
            async with aclosing(play(self.plan.trace, partial(_infill, port))) as played:
                async for sample in played:
                    yield sample
            async for sample in self._speeds(port, round_):
                yield sample
            if memory is not None:
                memory.look()
                yield Sample(RESIDENT, memory.resident_bytes)
                yield Sample(PEAK, memory.peak_bytes)

    async def _speeds(self, port: int, round_: int) -> AsyncGenerator[Sample, None]:
        *prompts, start = self.plan.prompts(round_)
        for ids in prompts:
            before = self.meter.joules()
            answer = await _complete(port, ids, 1)
            yield Sample(reading(len(ids)), answer.number("prompt_per_second"))
            if len(ids) == max(self.plan.lengths) and (after := self.meter.joules()) is not None and before is not None:
                yield Sample(READING_ENERGY, (after - before) / answer.number("prompt_n") * 1000)
        # Read before, so that the energy is that of the generation.
        await _complete(port, start, 1)
        before = self.meter.joules()
        answer = await _complete(port, start, self.plan.generated)
        yield Sample(GENERATION, answer.number("predicted_per_second"))
        if (after := self.meter.joules()) is not None and before is not None:
            yield Sample(GENERATION_ENERGY, (after - before) / answer.number("predicted_n"))


@dataclass(frozen=True)
class _Answer:
    """Seconds to the first event of a stream, and the server's own count of what the request took."""

    first_s: float
    timings: Mapping[str, Any]

    def number(self, name: str) -> float:
        """One of the timings. Raises LocalcoderError when the server does not tell it."""
        value = self.timings.get(name)
        if not isinstance(value, (int, float)):
            raise LocalcoderError(f"llama-server does not tell its `{name}`.", "Take a newer one.")
        return float(value)


async def _infill(port: int, document: Document) -> Asked:
    """What llama.vim asks for, at the cursor of a document."""
    body = {
        "input_prefix": document.prefix, "input_suffix": document.suffix, "prompt": "", "n_predict": ANSWER_TOKENS,
        "temperature": 0.0, "cache_prompt": True, "stream": True,
    }  # fmt: skip
    answer = await asyncio.to_thread(_ask, port, "/infill", body)
    read = int(answer.number("prompt_n"))
    return Asked(answer.first_s, read, read + int(answer.timings.get("cache_n") or 0))


async def _complete(port: int, ids: Sequence[int], tokens: int) -> _Answer:
    """So many tokens after a prompt, which no end token ends."""
    body = {
        "prompt": list(ids), "n_predict": tokens, "temperature": 0.0, "ignore_eos": True, "cache_prompt": True,
        "stream": True,
    }  # fmt: skip
    return await asyncio.to_thread(_ask, port, "/completion", body)


def _ask(port: int, path: str, body: Mapping[str, Any]) -> _Answer:
    """Send a request and read its events to the end. Raises LocalcoderError."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=_SILENCE_S)
    timings: dict[str, Any] = {}
    first_s, begun = 0.0, time.perf_counter()
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            said = response.read(200).decode("utf-8", "replace")
            raise LocalcoderError(f"llama-server answers {path} with {response.status}: {said}", "Take a newer one.")
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            first_s = first_s or time.perf_counter() - begun
            timings = json.loads(line.removeprefix(b"data: ")).get("timings") or timings
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LocalcoderError(f"llama-server broke off: {error}.", "Try it by itself with the same model.") from None
    finally:
        connection.close()
    return _Answer(first_s, timings)


async def _loaded(child: Child, port: int) -> float:
    """Seconds from its start until it says that it is ready. Raises LocalcoderError when it ends before."""
    begun = time.perf_counter()
    while not await asyncio.to_thread(_is_ready, port):
        if not child.is_running:
            raise await child.failure()
        await asyncio.sleep(_POLL_S)
    return time.perf_counter() - begun


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_SILENCE_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
