"""What keeping cells by shifting them costs and saves when the cursor moves by some lines.

    python tests/benchmarks/moves.py MODEL.gguf DIRECTORY --moves 300
    python tests/benchmarks/moves.py LARGE.gguf DIRECTORY --moves 5 --span 5000 --no-exact

Takes stretches of the Python files of DIRECTORY, reads the SPM prompt with the cursor at a line, and then the one with
the cursor up to five lines away. Prints the log-likelihood (nats a token) of the line that stands there when its cells
were shifted, when the prompt was read afresh, and when only the nearest lines were, with the same reading as the move;
how many tokens were read; and the median seconds to the first token.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from localcoder.code.walk import code_files, read_code
from localcoder.completion.layout import fim_prompt
from localcoder.engine.api import Finished, Request
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import Prefill
from localcoder.engine.wire import Load
from localcoder.hardware import default_threads

FURTHEST = 5
SCORED_TOKENS = 24


def prompt(context: Context, before: str, after: str) -> tuple[int, ...]:
    tokens = context.model.tokenize
    return fim_prompt("spm", tokens(before), tokens(after), context.info.special, ())


def first_token(generator: Generator, ids: Sequence[int]) -> tuple[float, int]:
    """(seconds to the first token, tokens read)"""
    start = time.perf_counter()
    *_, finished = generator.generate(Request(tuple(ids), max_tokens=1), start, lambda: False)
    assert isinstance(finished, Finished)
    return finished.stats.first_token_s, finished.stats.tokens_read


def score(generator: Generator, ids: Sequence[int], middle: Sequence[int], *, exact: bool = True) -> float:
    """Mean nats of the ids that really follow."""
    batches = generator.prefill.score((*ids, *middle), len(ids), 0, lambda: False, exact=exact)
    return -statistics.mean(each.logprob for batch in batches for each in batch)


def moves(files: Sequence[str], count: int, span: int, rng: random.Random) -> Iterator[tuple[str, int, int, int]]:
    """(text, offset of the cursor, offset of the cursor afterwards, end of the line there)."""
    while count:
        text = rng.choice(files)
        start = text.rfind("\n", 0, rng.randrange(max(1, len(text) - span))) + 1
        piece = text[start : start + span]
        starts = [0, *(i + 1 for i, c in enumerate(piece) if c == "\n")]
        inner = [i for i, at in enumerate(starts) if span * 0.4 < at < span * 0.85]
        if len(inner) < FURTHEST + 2:
            continue
        first = rng.choice(inner)
        then = first + rng.choice([-1, 1]) * rng.randint(1, FURTHEST)
        if then in inner and then + 1 < len(starts) and piece[starts[then] : starts[then + 1]].strip():
            count -= 1
            yield piece, starts[first], starts[then], starts[then + 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--moves", type=int, default=300)
    parser.add_argument("--span", type=int, default=500, help="characters of a stretch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-exact", action="store_true", help="read nothing afresh: for large models")
    args = parser.parse_args()
    context = Context(Load(str(args.model), default_threads()))
    files = [read_code(path) for path in code_files(args.directory) if path.suffix == ".py"]
    files = [text for text in files if len(text) > 2 * args.span]
    rng = random.Random(args.seed)
    found: dict[str, list[float]] = {"shifted": [], "afresh": [], "nearest": []}
    seconds, read, lengths = [], [], []
    for text, first, then, end in moves(files, args.moves, args.span, rng):
        generator = Generator(Prefill(context))
        first_token(generator, prompt(context, text[:first], text[first:]))
        # As if the line were being written: it is not in the prompt.
        ids, middle = prompt(context, text[:then], text[end:]), context.model.tokenize(text[then:end])[:SCORED_TOKENS]
        spent, tokens = first_token(generator, ids)
        seconds.append(spent)
        read.append(tokens)
        lengths.append(len(ids))
        found["shifted"].append(score(generator, ids, middle, exact=False))
        if args.no_exact:
            continue
        generator = Generator(Prefill(context))
        found["afresh"].append(score(generator, ids, middle))
        near = max(24, tokens) * 3
        ids = prompt(context, text[max(0, then - near * 3 // 4) : then], text[end : end + near // 4])
        found["nearest"].append(score(Generator(Prefill(context)), ids, middle))
    print(f"{len(read)} moves, {statistics.mean(lengths):.1f} tokens a prompt, {statistics.mean(read):.1f} read")
    print(f"first token after a median of {statistics.median(seconds):.3f} s")
    for name, values in found.items():
        if values:
            error = statistics.stdev(values) / len(values) ** 0.5
            print(f"{name:8} {statistics.mean(values):.4f} nats a token (standard error {error:.4f})")
    if found["afresh"]:
        costs = [a - b for a, b in zip(found["shifted"], found["afresh"], strict=True)]
        error = statistics.stdev(costs) / len(costs) ** 0.5
        print(f"shifting costs {statistics.mean(costs):.4f} nats a token (standard error {error:.4f})")


if __name__ == "__main__":
    main()
