"""From how much context the answer comes, so many seconds after a file was opened.

    python tests/benchmarks/stages.py FILE.py                                          the bundled model, slowed down
    python tests/benchmarks/stages.py FILE.py --model LARGE.gguf --prompt-tokens 2300
    python tests/benchmarks/stages.py FILE.py --typing-from 5 …                        someone types from then on

Opens the file with the cursor in its middle and a cold cache, waits, and asks for a completion. Each row is an engine
of its own: the seconds, the tokens that the machine could have read by then (its own measured speed × the seconds, at
most a full window), the tokens of context that the answer rests on, their share, how many of them were read for this
request, and the time to its first token. With --typing-from, text is typed from then on in bursts of 2 to 9 characters,
five a second, each with a completion of at most 8 tokens; the row is about the last one.
"""

import argparse
import asyncio
import random
import statistics
import time
from pathlib import Path

from localcoder import paths
from localcoder.completion.complete import Completion, Options, complete, read_ahead
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine import worker_process
from localcoder.engine.local import LocalEngine
from localcoder.settings import Settings

SLOWED_TOKENS_PER_S = 25
"""About what two cores read with a 3B."""
CHARACTERS_PER_S = 5.0
TYPED_CHARACTERS = 2000
_SLOWED = """
import time
from localcoder.engine import context

computes = context.Context.decode

def decode(self, ids, position, outputs=0, seq=0):
    end = time.perf_counter() + len(ids) / {speed}
    while time.perf_counter() < end:
        if self._abort.value:
            raise context.DecodeAborted
        time.sleep(0.002)
    computes(self, ids, position, outputs, seq)

context.Context.decode = decode
"""


def slow_down(speed: int) -> None:
    """Have workers read and generate so many tokens a second."""
    boot, call = worker_process._BOOT.rsplit(";", 1)
    worker_process._BOOT = f"{boot}\n{_SLOWED.format(speed=speed)}\n{call.strip()}"


async def last(document: Document, engine: LocalEngine, options: Options, session: PromptSession) -> Completion:
    async for update in complete(document, engine, options, session):
        if isinstance(update, Completion):
            return update
    raise AssertionError("no completion")


async def measure(
    text: str, model: Path, seconds: float, options: Options, typing_from: float | None, speed: float | None
) -> str:
    engine, session, rng = LocalEngine(model), PromptSession(), random.Random(0)
    cut = text.index("\n", len(text) // 2) + 1
    typed, behind = text[cut : cut + TYPED_CHARACTERS], text[cut + TYPED_CHARACTERS :]
    await engine.info()
    begin = time.perf_counter()
    await read_ahead(Document(text[:cut] + behind, cut), engine, options, session)
    firsts, read = [], []
    if typing_from is not None:
        await asyncio.sleep(max(0.0, begin + min(typing_from, seconds) - time.perf_counter()))
    else:
        await asyncio.sleep(max(0.0, begin + seconds - time.perf_counter()))
    at = 0
    while True:
        document = Document(text[:cut] + typed[:at] + behind, cut + at)
        asked = time.perf_counter() - begin
        completion = await last(document, engine, options, session)
        firsts.append(completion.stats.first_token_s)
        read.append(completion.stats.tokens_read)
        if asked >= seconds or typing_from is None:
            break
        burst = rng.randint(2, 9)
        at += burst
        await asyncio.sleep(burst / CHARACTERS_PER_S)
    measured = speed or (await engine.estimate(completion.prompt_ids)).tokens_per_s
    await engine.close()
    could = min(measured * asked, options.max_prompt_tokens)
    context = len(completion.prompt_ids)
    typing = (
        f", {len(firsts)} requests: first token {statistics.median(firsts):.2f} s, {statistics.mean(read):.1f} read"
    )
    return (
        f"{asked:5.1f} s  could read {could:5.0f} at {measured:4.0f}/s  rests on {context:5}  {context / could:4.0%}"
        f"  {completion.stats.tokens_read:3} read  first token {completion.stats.first_token_s:.2f} s"
        + (typing if typing_from is not None else "")
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", type=Path, help="Default: the bundled one, slowed down.")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2, 5, 10, 20, 40, 90])
    parser.add_argument("--typing-from", type=float)
    parser.add_argument("--prompt-tokens", type=int, default=230, help="the bundled model's window is 256")
    args = parser.parse_args()
    if args.model is None:
        slow_down(SLOWED_TOKENS_PER_S)
    first_token_s = Settings().first_token_s
    options = Options(max_tokens=8, max_prompt_tokens=args.prompt_tokens, first_token_s=first_token_s)
    text = args.file.read_text()
    for seconds in args.seconds:
        model = args.model or paths.bundled_model()
        speed = None if args.model else SLOWED_TOKENS_PER_S
        print(await measure(text, model, seconds, options, args.typing_from, speed), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
