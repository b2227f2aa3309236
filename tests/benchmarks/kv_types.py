"""What KV cells in Q8_0 instead of F16 cost and save.

    python -m tests.benchmarks.kv_types MODEL.gguf DIRECTORY… --places 400 --rounds 20

DIRECTORY holds Python code that the model was not trained on. Prints, for Q8_0 against F16, paired: nats a token of
stretches of code read afresh, and of lines in a prompt whose cells were shifted by a move of the cursor (`moves.py`),
means with their standard errors; tokens/s of reading in batches of 48 and of generating, `--depth` tokens behind the
beginning, in turns, the median of the ratios with its 95 % interval; and the bytes a cell takes, next to the weights.

Measured: the bundled model with one thread, 300 places in four packages held out, nats read afresh +0.0002 (standard
error 0.0001), shifted -0.0007 (0.0007); reading 0.913 [0.911, 0.915] times as fast, generating 0.944 [0.942, 0.948]. A
3B at Q4_K_M on two threads, 6 rounds, busy machine: reading 0.975 [0.962, 0.981], generating 1.048 [1.027, 1.087]; 80
instead of 150 MB, 3.7 % of its weights. Reading is what one waits for, and that output does not depend on what was read
before holds in 148 of 150 edits only (test_exactness.py), so the cells stay F16.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import llama_cpp.llama_cpp as lib

from localcoder.code.walk import code_files, read_code
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import READ_SLICE, Prefill
from localcoder.engine.wire import Load
from localcoder.evaluate.statistics import median_interval
from localcoder.hardware import default_threads
from tests.benchmarks.moves import SCORED_TOKENS, first_token, moves, prompt, score

TYPES = {"F16": lib.GGML_TYPE_F16, "Q8_0": lib.GGML_TYPE_Q8_0}
SCORED_FROM = 32
"""Tokens of a stretch before the first whose nats count."""


def context_with(model: Path, kind: str, threads: int) -> Context:
    params = lib.llama_context_default_params()
    params.type_k = params.type_v = TYPES[kind]
    with patch.object(lib, "llama_context_default_params", lambda: params):
        return Context(Load(str(model), threads))


def afresh_nats(context: Context, ids: Sequence[int]) -> float:
    batches = Prefill(context).score(ids, SCORED_FROM, 0, lambda: False)
    return -statistics.mean(each.logprob for batch in batches for each in batch)


def moved_nats(context: Context, text: str, first: int, then: int, end: int) -> float:
    """Of the line at `then`, with the cells that were there for the cursor at `first`."""
    generator = Generator(Prefill(context))
    first_token(generator, prompt(context, text[:first], text[first:]))
    ids, middle = prompt(context, text[:then], text[end:]), context.model.tokenize(text[then:end])[:SCORED_TOKENS]
    first_token(generator, ids)
    return score(generator, ids, middle, exact=False)


def speeds(context: Context, ids: Sequence[int], depth: int) -> dict[str, float]:
    """tokens/s of reading `depth` ids, and of generating those behind."""
    context.seq_rm(0, 0, -1)
    begun = time.perf_counter()
    for at in range(0, depth, READ_SLICE):
        context.decode(ids[at : at + READ_SLICE], at)
    read = time.perf_counter()
    for at in range(depth, len(ids)):
        context.decode(ids[at : at + 1], at, 1)
    written = time.perf_counter()
    context.seq_rm(0, 0, -1)
    return {"reading": depth / (read - begun), "generating": (len(ids) - depth) / (written - read)}


def compare_nats(name: str, nats: dict[str, list[float]]) -> None:
    costs = [b - a for a, b in zip(nats["F16"], nats["Q8_0"], strict=True)]
    error = statistics.stdev(costs) / len(costs) ** 0.5
    means = ", ".join(f"{kind} {statistics.mean(values):.4f}" for kind, values in nats.items())
    print(f"{name}: {means} nats a token; {statistics.mean(costs):+.5f} (standard error {error:.5f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("directories", type=Path, nargs="*")
    parser.add_argument("--places", type=int, default=400)
    parser.add_argument("--tokens", type=int, default=225, help="of a stretch; the bundled model's window is 256")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--depth", type=int, default=4 * READ_SLICE, help="tokens that are read before")
    parser.add_argument("--generated", type=int, default=48)
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    contexts = {kind: context_with(args.model, kind, args.threads) for kind in TYPES}
    some, rng = contexts["F16"], random.Random(args.seed)
    paths = [path for folder in args.directories for path in code_files(folder) if path.suffix == ".py"]
    texts = [text for text in map(read_code, paths) if len(text) > args.tokens * 8]
    if texts:
        nats: dict[str, list[float]] = {kind: [] for kind in contexts}
        for _ in range(args.places):
            text = rng.choice(texts)
            start = rng.randrange(len(text) - args.tokens * 6)
            ids = some.model.tokenize(text[start : start + args.tokens * 6])[: args.tokens]
            for kind, context in contexts.items():
                nats[kind].append(afresh_nats(context, ids))
        compare_nats("read afresh", nats)
        nats = {kind: [] for kind in contexts}
        for place in moves(texts, args.places, 500, rng):
            for kind, context in contexts.items():
                nats[kind].append(moved_nats(context, *place))
        compare_nats("shifted", nats)
    ids = [rng.randrange(1000, some.model.n_vocab) for _ in range(args.depth + args.generated)]
    ratios: dict[str, list[float]] = {"reading": [], "generating": []}
    for round_ in range(args.rounds):
        order = sorted(contexts, reverse=bool(round_ % 2))
        found = {kind: speeds(contexts[kind], ids, args.depth) for kind in order}
        for what, values in ratios.items():
            values.append(found["Q8_0"][what] / found["F16"][what])
    for what, values in ratios.items():
        interval = median_interval(values)
        print(f"{what}, Q8_0 / F16: median {interval.median:.3f} in [{interval.low:.3f}, {interval.high:.3f}]")
    for kind, context in contexts.items():
        context.decode(ids[:READ_SLICE], 0)
        state = context.sequence_state(0)
        assert state is not None
        cell = len(state) / READ_SLICE
        cache = cell * context.n_cells
        share = cache / context.info.size_bytes
        print(
            f"{kind}: {cell:.0f} bytes a cell, {cache / 1e6:.1f} MB for {context.n_cells}: {share:.1%} of the weights"
        )


if __name__ == "__main__":
    main()
