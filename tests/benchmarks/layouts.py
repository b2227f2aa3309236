"""Which prompt layout fills best: log-likelihood of the true middle and exact match, on held-out code.

    python tests/benchmarks/layouts.py MODEL.gguf DIRECTORY --places 400

Takes places inside lines of the Python files of DIRECTORY, at random but the same for every layout. The middle is the
rest of the line. PSM and SPM have everything before the place as the prefix; anchored PSM has what stands before the
line, and what the line has so far stands after <fim_middle>, as if it had been typed since. Prints, for each layout,
bits a byte of the true middle and how often greedy decoding gives it whole.
"""

import argparse
import asyncio
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from localcoder.code.walk import code_files, read_code
from localcoder.completion.layout import LayoutName, fim_prompt
from localcoder.engine.local import LocalEngine

Layout = LayoutName | Literal["left to right"]
LAYOUTS: tuple[Layout, ...] = ("spm", "anchored", "psm", "left to right")

BEFORE, AFTER = 1200, 500
"""Characters of context: about the window of the bundled model."""


def places(files: Sequence[str], count: int, rng: random.Random) -> list[tuple[str, str, str, str]]:
    """(text before the line, what the line has so far, the rest of it, text behind)."""
    found: list[tuple[str, str, str, str]] = []
    while len(found) < count:
        text = rng.choice(files)
        cut = rng.randrange(len(text))
        start, end = text.rfind("\n", 0, cut) + 1, text.find("\n", cut)
        if end > cut > start and text[start:cut].strip() and text[cut:end].strip():
            found.append(
                (text[max(0, start - BEFORE) : start], text[start:cut], text[cut:end], text[end : end + AFTER])
            )
    return found


async def prompt(layout: Layout, engine: LocalEngine, before: str, typed: str, suffix: str) -> tuple[int, ...]:
    special = (await engine.info()).special
    whole, head, line, rest = await engine.tokenize([before + typed, before, typed, suffix])
    if layout == "anchored":
        return (*fim_prompt("psm", head, rest, special), *line)
    if layout == "left to right":
        return whole
    return fim_prompt(layout, whole, rest, special)


async def score(engine: LocalEngine, ids: Sequence[int], middle: Sequence[int]) -> tuple[float, bool]:
    """(nats of the middle's ids after the prompt, whether each of them was the likeliest)."""
    scores = await engine.score((*ids, *middle), len(ids), top=1)
    return (
        -sum(each.logprob for each in scores),
        all(each.top[0][0] == token for each, token in zip(scores, middle, strict=True)),
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--places", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    files = [read_code(path) for path in code_files(args.directory) if path.suffix == ".py"]
    files = [text for text in files if len(text) > 1000]
    chosen = places(files, args.places, random.Random(args.seed))
    size = sum(len(middle.encode()) for _, _, middle, _ in chosen)
    engine = LocalEngine(args.model)
    try:
        middles = await engine.tokenize([middle for _, _, middle, _ in chosen])
        for layout in LAYOUTS:
            results = []
            for (before, typed, _, suffix), middle in zip(chosen, middles, strict=True):
                results.append(await score(engine, await prompt(layout, engine, before, typed, suffix), middle))
            bits = sum(nats for nats, _ in results) / math.log(2) / size
            exact = sum(exact for _, exact in results) / len(results)
            print(f"{layout:14} {bits:.3f} bits a byte, {exact:.1%} whole")
    finally:
        await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
