"""Many who type at once, each in a file and on a machine of their own, against one server.

    python tests/benchmarks/team.py http://127.0.0.1:8201 FOLDER --model MODEL-F32.gguf --people 4 8 16
    python tests/benchmarks/team.py http://127.0.0.1:8012 FOLDER                 # `localcoder serve`

Each types the lines that stand in a file of FOLDER again, 2 to 9 characters at five a second, then looks at the screen
for half a second to three; a suggestion that is not there by then is given up, as an editor does. `localcoder serve` is
asked by `/infill`, as an editor does; before a server of another kind stands localcoder's remote engine, one a person,
with MODEL as the vocabulary. Prints for each number of people how often they asked; the percentiles of the time until
text was there, where one that was given up counts as longer than all others; how many were given up, and how many
failed; how many tokens of a prompt the server read, and had in its cache (vLLM says it when started with
--enable-prompt-tokens-details), of the answers that came to their end; and how many tokens a second it made for those.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import httpx

from localcoder.assembly import make_options
from localcoder.code.walk import code_files, read_code
from localcoder.completion.complete import Completion, Options, TextDelta, complete
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.remote.address import Address
from localcoder.engine.remote.connection import Access
from localcoder.engine.remote.engine import RemoteEngine
from localcoder.errors import LocalcoderError
from localcoder.settings import Settings

_KEY_S = 0.2
"""Seconds a character: sixty words a minute."""
_TYPED_LINES = 12
_BEFORE, _BEHIND = 256, 64
"""Lines around the cursor that an editor sends: llama.vim's."""


@dataclass(frozen=True)
class Cost:
    """Of one answer, in tokens."""

    read: int
    reused: int
    generated: int


@dataclass
class Tally:
    """What one number of people saw. `waits` are seconds until there was text; infinite where it was given up."""

    waits: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


class Client(Protocol):
    def ask(self, document: Document) -> AsyncGenerator[str | Cost, None]:
        """Text as it comes, and the cost. Raises LocalcoderError or httpx.HTTPError."""
        ...

    async def close(self) -> None: ...


class Remote:
    """localcoder on a person's machine, with the model on the server."""

    def __init__(self, url: str, model: Path | None, options: Options) -> None:
        self._engine = RemoteEngine(Access(Address.parse(url)), [model] if model else [])
        self._options = options
        self._session = PromptSession()

    async def ask(self, document: Document) -> AsyncGenerator[str | Cost, None]:
        async with aclosing(complete(document, self._engine, self._options, self._session)) as updates:
            async for update in updates:
                if isinstance(update, TextDelta):
                    yield update.text
                elif isinstance(update, Completion):
                    stats = update.stats
                    yield update.text
                    yield Cost(stats.tokens_read, stats.tokens_reused, stats.tokens_generated)

    async def close(self) -> None:
        await self._engine.close()


class Editor:
    """An editor that asks `localcoder serve`."""

    def __init__(self, url: str, options: Options) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60)
        self._max_tokens = options.max_tokens

    async def ask(self, document: Document) -> AsyncGenerator[str | Cost, None]:
        body = {
            "input_prefix": "".join(document.prefix.splitlines(True)[-_BEFORE:]),
            "input_suffix": "".join(document.suffix.splitlines(True)[:_BEHIND]),
            "n_predict": self._max_tokens,
            "stream": True,
        }
        async with self._http.stream("POST", "/infill", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    event = json.loads(line[6:])
                    yield event["content"]
                    if timings := event.get("timings"):
                        yield Cost(timings["prompt_n"], timings["cache_n"], timings["predicted_n"])

    async def close(self) -> None:
        await self._http.aclose()


async def one_answer(client: Client, document: Document, tally: Tally) -> None:
    """Counts how long it took until there was text, or until it was clear that there is none."""
    begun, wait = time.perf_counter(), math.inf
    try:
        async with aclosing(client.ask(document)) as answer:
            async for part in answer:
                wait = min(wait, time.perf_counter() - begun)
                if isinstance(part, Cost):
                    tally.costs.append(part)
    except LocalcoderError as error:
        tally.failures[error.what] += 1
        return
    except httpx.HTTPError as error:
        tally.failures[f"{type(error).__name__}: {error}"] += 1
        return
    except asyncio.CancelledError:
        tally.waits.append(wait)
        raise
    tally.waits.append(wait)


async def person(client: Client, text: str, seconds: float, rng: random.Random, tally: Tally) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lines = text.splitlines(True)
        first = rng.randrange(max(1, len(lines) - _TYPED_LINES))
        before, behind = "".join(lines[:first]), "".join(lines[first + _TYPED_LINES :])
        left = "".join(lines[first : first + _TYPED_LINES])
        while left and time.monotonic() < end:
            burst = left[: rng.randint(2, 9)]
            await asyncio.sleep(len(burst) * _KEY_S)
            before, left = before + burst, left[len(burst) :]
            look_s = rng.uniform(0.5, 3)
            looked = asyncio.create_task(asyncio.sleep(look_s))
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(one_answer(client, Document(before + behind, len(before)), tally), look_s)
            await looked


async def is_localcoder(url: str) -> bool:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        response = await http.get("/props")
        return response.is_success and str(response.json().get("build_info", "")).startswith("localcoder")


def shown(tally: Tally, people: int, seconds: float) -> str:
    waits = sorted(tally.waits) or [math.inf]
    percentiles = [waits[min(len(waits) - 1, int(len(waits) * share))] for share in (0.5, 0.9, 0.95, 0.99)]
    times = ", ".join(f"{wait * 1000:.0f} ms" if wait < math.inf else "given up" for wait in percentiles)
    given_up = sum(wait == math.inf for wait in tally.waits)
    read, reused, generated = (
        [getattr(cost, name) for cost in tally.costs] or [0] for name in ("read", "reused", "generated")
    )
    lines = [
        f"{people} people, {len(tally.waits)} suggestions asked for in {seconds:.0f} s",
        f"  text after (50, 90, 95, 99 %): {times}",
        f"  given up {given_up}, failed {tally.failures.total()}",
        f"  read {statistics.median(read):.0f} tokens (median), {statistics.mean(read):.0f} (mean), "
        f"had {statistics.mean(reused):.0f}; made {sum(generated) / seconds:.0f} tokens/s",
    ]
    return "\n".join([*lines, *(f"  {count} times: {what}" for what, count in tally.failures.most_common(5))])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="a file with the server's vocabulary")
    parser.add_argument("--people", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--prompt-tokens", type=int, default=1500, help="of each prompt at most")
    parser.add_argument("--max-tokens", type=int, default=32)
    args = parser.parse_args()
    options = make_options(Settings(), first_token_s=Settings().first_token_s)
    options = replace(options, max_tokens=args.max_tokens, max_prompt_tokens=args.prompt_tokens)
    texts = [text for file in code_files(args.folder) if (text := read_code(file)) and text.count("\n") > 60]
    serves = await is_localcoder(args.url)
    for people in args.people:
        tally = Tally()
        clients: Sequence[Client] = [
            Editor(args.url, options) if serves else Remote(args.url, args.model, options) for _ in range(people)
        ]
        try:
            # Connecting and loading a vocabulary are no part of it.
            for client in clients:
                await one_answer(client, Document("x = ", 4), Tally())
            await asyncio.gather(
                *(
                    person(client, texts[i % len(texts)], args.seconds, random.Random(i), tally)
                    for i, client in enumerate(clients)
                )
            )
        finally:
            for client in clients:
                await client.close()
        print(shown(tally, people, args.seconds), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
