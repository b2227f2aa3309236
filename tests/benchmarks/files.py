"""Several files typed in by turns: what is read of each again, and what switching costs.

    python tests/benchmarks/files.py FILE.py FILE.py FILE.py FILE.py
    python tests/benchmarks/files.py FILE.py … --model LARGE.gguf --prompt-tokens 600 --parked-mb 0

Opens each file in a session of its own and lets it be read. Then, for some rounds, a burst of characters is typed into
each file in turn, with a completion after each character, as an editor's tabs are gone through. Prints, for the first
completion after a switch and for the others, the tokens read and the time to the first token.
"""

import argparse
import asyncio
import statistics
from pathlib import Path

from localcoder import paths
from localcoder.completion.complete import Completion, Options, complete, read_ahead
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.api import Stats
from localcoder.engine.local import LocalEngine


async def stats(document: Document, engine: LocalEngine, options: Options, session: PromptSession) -> Stats:
    async for update in complete(document, engine, options, session):
        if isinstance(update, Completion):
            await session.finish_reading()
            return update.stats
    raise AssertionError("no completion")


def summary(name: str, found: list[Stats]) -> str:
    read, seconds = [each.tokens_read for each in found], [each.first_token_s for each in found]
    return (
        f"{name:14} {len(found):4} requests  {statistics.mean(read):6.1f} tokens read (at most {max(read)})"
        f"  first token {statistics.median(seconds):.3f} s (at most {max(seconds):.3f})"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=paths.bundled_model())
    parser.add_argument("--prompt-tokens", type=int, default=230, help="the bundled model's window is 256")
    parser.add_argument("--parked-mb", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--burst", type=int, default=6, help="characters typed into a file before the next one")
    args = parser.parse_args()
    engine = LocalEngine(args.model, parked_limit_bytes=args.parked_mb << 20)
    options = Options(max_tokens=4, max_prompt_tokens=args.prompt_tokens)
    texts = [path.read_text() for path in args.files]
    cuts = [text.index("\n", len(text) // 2) + 1 for text in texts]
    sessions = [PromptSession() for _ in texts]
    for text, cut, session in zip(texts, cuts, sessions, strict=True):
        await read_ahead(Document(text, cut), engine, options, session)
        await session.finish_reading()
        await stats(Document(text, cut), engine, options, session)
    typed = "value = compute(value, other)\n" * args.rounds
    after_switch: list[Stats] = []
    others: list[Stats] = []
    for turn in range(args.rounds):
        for text, cut, session in zip(texts, cuts, sessions, strict=True):
            for i in range(turn * args.burst, (turn + 1) * args.burst):
                document = Document(text[:cut] + typed[: i + 1] + text[cut:], cut + i + 1)
                found = await stats(document, engine, options, session)
                (after_switch if i == turn * args.burst else others).append(found)
    print(summary("after a switch", after_switch))
    print(summary("the others", others))
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
