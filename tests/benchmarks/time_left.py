"""The time that a conversion's progress bar says is left against the time that it really took.

    python tests/benchmarks/time_left.py CHECKPOINT -t Q4_K_M --work DIR [--resume-at 0.4] [--processor-time]

With `--resume-at`, the conversion is interrupted at that share of the bytes and gone on with, and the rest is what is
measured: what was done before must not count as speed. On a machine that does other work besides, which
nothing can predict, `--processor-time` lets this process's processor seconds stand for the clock's.

Prints, at 20, 50 and 80 % of the bytes, the seconds predicted, those by bytes alone, and those that passed until the
files had their names; and the largest error of both from 20 to 90 %.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from converters import blocks, tally
from converters.checkpoint import open_checkpoint
from converters.convert import run
from converters.model import find_recipe, plan_model, read_model, recipe_mixture
from converters.plan import ConversionPlan
from converters.progress import Progress
from converters.rows import LocalShards
from converters.unfinished import left_over

SHARES = (0.2, 0.5, 0.8)
LAST_SHARE = 0.9
"""What remains after this is too short for a ratio to say anything."""


def convert(
    plan: ConversionPlan, shards: LocalShards, resume_at: float, clock: Callable[[], float]
) -> tuple[list[tuple[float, Progress]], float]:
    """Events of the conversion with the seconds at which they came, and the seconds at its end."""
    if resume_at:
        work = run(plan, shards)
        for event in work:
            if event.stage == "convert" and event.done >= resume_at * event.total:
                break
        work.close()
    start = clock()
    events = [(clock() - start, event) for event in run(plan, shards)]
    return [(at, event) for at, event in events if event.stage == "convert"], clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-t", "--type", action="append", default=[], dest="types")
    parser.add_argument("--work", type=Path, required=True, help="where outputs go; they are removed")
    parser.add_argument("--resume-at", type=float, default=0.0, help="a share of the bytes, for example 0.4")
    parser.add_argument("--processor-time", action="store_true")
    args = parser.parse_args()
    clock = time.process_time if args.processor_time else time.monotonic
    if args.processor_time:
        clocks = SimpleNamespace(monotonic=time.process_time, perf_counter=time.thread_time)
        for module in (tally, blocks):
            patch.object(module, "time", clocks).start()
    model = read_model(open_checkpoint(args.checkpoint))
    mixtures = [recipe_mixture(model, find_recipe(name)) for name in args.types or ["Q4_K_M"]]
    plan = plan_model(model, mixtures, args.work)
    if unfinished := left_over(plan):
        raise SystemExit(
            f"{unfinished[0]} is what an earlier run left, and this one would go on from it: delete it first."
        )
    events, end = convert(plan, LocalShards(args.checkpoint), args.resume_at, clock)
    for planned in plan.files:
        planned.path.unlink()
        planned.path.with_name(planned.path.name + ".sha256").unlink()
    first = events[0][1].done
    errors = []
    shares = list(SHARES)
    for at, event in events:
        share = (event.done - first) / (event.total - first)
        if event.left_s is None or share < SHARES[0]:
            continue
        by_bytes = (event.total - event.done) * (at - events[0][0]) / (event.done - first)
        left = end - at
        if share <= LAST_SHARE:
            errors.append((event.left_s / left - 1, by_bytes / left - 1))
        while shares and share >= shares[0]:
            print(
                f"{shares.pop(0):.0%}: {event.left_s:.1f} s predicted ({event.left_s / left:.2f}), "
                f"{by_bytes:.1f} s by bytes ({by_bytes / left:.2f}), {left:.1f} s real"
            )
    ours, naive = (max(map(abs, column)) for column in zip(*errors, strict=True))
    print(f"{end:.1f} s; largest error from {SHARES[0]:.0%} to {LAST_SHARE:.0%}: {ours:.1%}, by bytes {naive:.1%}")


if __name__ == "__main__":
    main()
