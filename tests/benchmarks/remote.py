"""The remote engine against a server that runs: is it the local engine, and what does it cost?

    python tests/benchmarks/remote.py http://127.0.0.1:8201 MODEL-F32.gguf FILE…

MODEL is the same model in a file, without quantization if the server's has none: rounding decides between tokens that
are equally likely. Prints how many of 50 completions at temperature 0, at places spread over the files, are the local
engine's, token by token, and how near the likeliest two were where the others differ; how many scores agree, where the
server gives them; while typing, the tokens of each prompt, those that the server says it had cached (vLLM says it when
started with --enable-prompt-tokens-details), and the time to the first token; and how long a cancel takes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from localcoder.completion.complete import Completion, Options, complete
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.api import Engine, Finished, Request, Sampling, Token
from localcoder.engine.local import LocalEngine
from localcoder.engine.remote.address import Address
from localcoder.engine.remote.connection import Access
from localcoder.engine.remote.engine import RemoteEngine
from localcoder.errors import LocalcoderError

LINE = "\ndef sum_of(values, start=0):\n    total = start\n    for value in values:\n"


async def last(updates: AsyncIterator[object]) -> Completion:
    found = [update async for update in updates]
    assert isinstance(found[-1], Completion)
    return found[-1]


def ids_of(completion: Completion) -> list[int]:
    return [token.id for token in completion.tokens if token.id >= 0]


async def compare(remote: Engine, local: Engine, texts: Sequence[str], count: int, options: Options) -> None:
    same, near = 0, []
    each = -(-count // len(texts))
    places = [(text, len(text) * (i + 1) // (each + 1)) for text in texts for i in range(each)][:count]
    for text, at in places:
        there = await last(complete(Document(text, at), remote, options))
        here = await last(complete(Document(text, at), local, options))
        assert there.prompt_ids == here.prompt_ids
        one, other = ids_of(there), ids_of(here)
        same += one == other and there.text == here.text
        if one != other:
            first = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
            if first is not None:
                ids = (*here.prompt_ids, *other[: first + 1])
                (score,) = await local.score(ids, len(ids) - 1, top=2)
                near.append(score.top[0][1] - score.top[1][1])
    print(f"the same as here: {same} of {len(places)} completions, {same / len(places):.1%}")
    if near:
        print("where not, the likeliest two were apart by", ", ".join(f"{gap:.4f}" for gap in near), "nats")


async def scores(remote: Engine, local: Engine, text: str) -> None:
    ids = (await local.tokenize([text]))[0][:200]
    try:
        there = await remote.score(ids, 1, top=3)
    except LocalcoderError as error:
        print(f"scores: {error.what}")
        return
    here = await local.score(ids, 1, top=3)
    apart = [abs(one.logprob - other.logprob) for one, other in zip(there, here, strict=True)]
    agree = sum(one.top[0][0] == other.top[0][0] for one, other in zip(there, here, strict=True))
    print(f"scores of {len(there)} tokens: {max(apart):.4f} nats apart at most, likeliest the same at {agree}")


async def typing(remote: Engine, text: str, options: Options) -> None:
    session, at = PromptSession(), text.index("\n", len(text) // 2)
    rows = []
    for typed in range(len(LINE)):
        document = Document(text[:at] + LINE[:typed] + text[at:], at + typed)
        done = await last(complete(document, remote, options, session))
        rows.append((len(done.prompt_ids), done.stats.tokens_reused, done.stats.first_token_s))
    first, *later = rows
    print(f"typing: first prompt {first[0]} tokens, {first[1]} cached, first token after {first[2] * 1000:.0f} ms")
    print(
        f"typing: then {statistics.median(total for total, _, _ in later):.0f} tokens, "
        f"{statistics.median(total - cached for total, cached, _ in later):.0f} of them not cached, first token after "
        f"{statistics.median(s for _, _, s in later) * 1000:.0f} ms (medians of {len(later)})"
    )


async def cancelling(remote: Engine, text: str) -> None:
    info = await remote.info()
    ids = (await remote.tokenize([text]))[0][:200]
    nothing_ends = Sampling(logit_bias=tuple((i, -1e9) for i in info.end_ids))
    took = []
    for _ in range(10):
        request, seen, begun = Request(ids, 1000, nothing_ends), 0, 0.0
        async for event in remote.generate(request):
            seen += isinstance(event, Token)
            if seen == 5 and not begun:
                begun = time.perf_counter()
                await remote.cancel(request)
            if isinstance(event, Finished):
                assert event.reason == "cancelled", event
        took.append(time.perf_counter() - begun)
    print(f"cancel: {statistics.median(took) * 1000:.1f} ms, at most {max(took) * 1000:.1f} ms")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("model", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--prompt-tokens", type=int, default=600, help="of each prompt at most")
    parser.add_argument("--max-tokens", type=int, default=24)
    args = parser.parse_args()
    texts = [file.read_text(encoding="utf-8") for file in args.files]
    options = Options(max_tokens=args.max_tokens, max_prompt_tokens=args.prompt_tokens)
    remote = RemoteEngine(Access(Address.parse(args.url)), [args.model], required=True)
    local = LocalEngine(args.model, n_threads=1)
    try:
        info = await remote.info()
        print(f"{info.name} at {info.path}, {info.n_ctx} tokens")
        await compare(remote, local, texts, args.count, options)
        await scores(remote, local, texts[0])
        await typing(remote, texts[0], options)
        await cancelling(remote, texts[0])
    finally:
        await remote.close()
        await local.close()


if __name__ == "__main__":
    asyncio.run(main())
