"""Generation and reading against llama-bench on the same file and threads, drafts, and how soon a cancel works.

    python tests/benchmarks/generation.py MODEL.gguf --llama-bench path/to/llama-bench --rounds 20

The two run in turns, in either order, both with flash attention, and the ratios' medians come with 95 % intervals.
"decoding" is llama.cpp called by our process with nothing of ours around it.
Reading is measured as it is done, in batches of 48, and in batches of 128, whose rounding depends on how a text was
cut: what exactness costs. For drafts the model is forced through a given text, the sampler's choice replaced by its
next token: speed does not depend on whose choice it was. "repetitive" is a file whose second half repeats its first
with small edits, "plain" is text that nothing before foretells.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

from localcoder.engine import prefill
from localcoder.engine.api import Finished, Request
from localcoder.engine.context import MAX_BATCH, Context
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import Prefill
from localcoder.engine.wire import Load
from localcoder.evaluate.statistics import median_interval
from localcoder.hardware import default_threads, worker_environment

WORKER_VARIABLES = ("GGML_NO_BACKTRACE", "GOMP_SPINCOUNT")
"""What the worker has in its environment and llama-bench has not."""
SCRATCH = Context.first_spare_sequence
FIELDS = ["name", "size", "owner", "colour", "weight", "price", "origin", "maker", "label", "place"]
METHOD = """    def get_{0}(self):
        value = self.values.get('{0}')
        return value if value is not None else ''

"""


class Forced:
    """Stands where the sampler does and gives the next token of a text."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = iter(ids)

    def sample(self, index: int = -1) -> int:
        return next(self._ids)

    def close(self) -> None:
        pass


def forced(llama: Context, generator: Generator, prompt: Sequence[int], text: Sequence[int], *, drafts: bool) -> float:
    """tokens/s of generating `text`, given as ids, after `prompt`."""
    request = Request(tuple(prompt), len(text), drafts=drafts)
    with patch.object(llama, "sampler", lambda *args, **kwargs: Forced(text)):
        *_, finished = generator.generate(request, time.perf_counter(), lambda: False)
    assert isinstance(finished, Finished)
    return finished.stats.tokens_per_s


def bench(command: str, model: Path, threads: int, *, read: int = 0, write: int = 0) -> float:
    """tokens/s of llama-bench."""
    environment = {key: value for key, value in os.environ.items() if key not in WORKER_VARIABLES}
    sizes = ["-t", str(threads), "-p", str(read), "-n", str(write)]
    out = subprocess.run(
        [command, "-m", model, *sizes, "-fa", "1", "-r", "1", "-o", "json"],
        capture_output=True,
        check=True,
        env=environment,
    )
    return float(json.loads(out.stdout)[0]["avg_ts"])


def decode(llama: Context, ids: Sequence[int]) -> float:
    """tokens/s of llama.cpp's decode calls alone, a token each."""
    llama.seq_rm(SCRATCH, 0, -1)
    begun = time.perf_counter()
    for i, token in enumerate(ids):
        llama.decode([token], i, 1, SCRATCH)
    llama.seq_rm(SCRATCH, 0, -1)
    return len(ids) / (time.perf_counter() - begun)


def warmed_up(llama: Context, run: Callable[[], float]) -> float:
    """A run after a few tokens that do not count, as llama-bench has them."""
    decode(llama, range(100, 104))
    return run()


def read(generator: Generator, ids: Sequence[int], size: int) -> float:
    """tokens/s of reading in batches of `size`, in the empty cache."""
    cache = generator.prefill.cache
    for slot in cache.slots:
        slot.clear()
    with patch.object(prefill, "READ_SLICE", size):
        begun = time.perf_counter()
        for _ in generator.prefill.read(cache.slots[-1], ids, lambda: False):
            pass
        return len(ids) / (time.perf_counter() - begun)


Sides = dict[str, Callable[[], float]]


def in_turns(sides: Sides, rounds: int) -> None:
    """Print tokens/s of each of the others against the one that is named "peer"."""
    ratios: dict[str, list[float]] = {side: [] for side in sides if side != "peer"}
    for round_ in range(rounds):
        # Each goes first in turn: what a machine gives changes from minute to minute.
        order = sorted(sides, reverse=bool(round_ % 2))
        speed = {side: sides[side]() for side in order}
        for side, found in ratios.items():
            found.append(speed[side] / speed["peer"])
        print("  ".join(f"{side} {speed[side]:.2f} tokens/s" for side in sides), flush=True)
    for side, found in ratios.items():
        interval = median_interval(found)
        print(f"{side} / peer: median {interval.median:.3f} in [{interval.low:.3f}, {interval.high:.3f}]", flush=True)


def cancel_s(llama: Context, generator: Generator, ids: Sequence[int]) -> float:
    """Seconds from raising the abort flag in the middle of a batch to the end of the request."""
    import threading

    asked: list[float] = []

    def ask() -> None:
        asked.append(time.perf_counter())
        llama.abort()

    timer = threading.Timer(0.4, ask)
    timer.start()
    request = Request(tuple(ids), 1000, drafts=False)
    for _ in generator.generate(request, time.perf_counter(), lambda: bool(asked)):
        pass
    timer.join()
    llama.clear_abort()
    return time.perf_counter() - asked[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--llama-bench")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--reads", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if missing := {key: value for key, value in worker_environment().items() if key not in os.environ}:
        # llama.cpp's libraries read these when they are loaded; the worker has them from its parent.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **missing})
    llama = Context(Load(str(args.model), args.threads))
    generator = Generator(Prefill(llama))
    plain = [random.Random(0).randrange(1000, llama.model.n_vocab) for _ in range(args.tokens)]
    if args.llama_bench:
        threads = args.threads
        writing_sides: Sides = {
            "peer": lambda: bench(args.llama_bench, args.model, threads, write=args.tokens),
            "writing": lambda: warmed_up(llama, lambda: forced(llama, generator, [100, 101], plain, drafts=False)),
            "decoding": lambda: warmed_up(llama, lambda: decode(llama, plain)),
        }
        in_turns(writing_sides, args.rounds)
        text = [random.Random(0).randrange(1000, llama.model.n_vocab) for _ in range(args.reads)]
        reading_sides: Sides = {
            "peer": lambda: bench(args.llama_bench, args.model, threads, read=args.reads),
            "reading by 48": lambda: read(generator, text, prefill.READ_SLICE),
            "reading by 128": lambda: read(generator, text, MAX_BATCH),
        }
        in_turns(reading_sides, args.rounds)
    first = "class Thing:\n" + "".join(METHOD.format(name) for name in FIELDS[:5])
    second = "".join(METHOD.format(name) for name in FIELDS[5:])
    for name, prompt, text in (
        ("repetitive", llama.model.tokenize(first), llama.model.tokenize(second)),
        ("plain", llama.model.tokenize(first), plain),
    ):
        ratios = []
        for _ in range(args.rounds):
            without = forced(llama, generator, prompt, text, drafts=False)
            ratios.append(forced(llama, generator, prompt, text, drafts=True) / without)
        print(f"drafts, {name}: {statistics.median(ratios):.2f} x ({', '.join(f'{r:.2f}' for r in ratios)})")
    reading = [[random.Random(i).randrange(1000, llama.model.n_vocab) for _ in range(400)] for i in range(args.rounds)]
    print(f"cancel while reading: {max(cancel_s(llama, generator, ids) for ids in reading) * 1000:.0f} ms at most")
    writing = [[200 + i, 201, 202] for i in range(args.rounds)]
    print(f"cancel while writing: {max(cancel_s(llama, generator, ids) for ids in writing) * 1000:.0f} ms at most")


if __name__ == "__main__":
    main()
