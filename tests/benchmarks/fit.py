"""Memory that the fit planner predicts against what a loaded model really takes.

    python tests/benchmarks/fit.py MODEL.gguf [MODEL.gguf ...] [--parked-mb 60] [--text-tokens 600]

Loads each in the engine's worker, reads a prompt of 600 tokens, and prints the worker's resident memory, the
prediction from the file's header, the one from its size alone, and their ratios to what was measured. Then other texts
are read until the copies of those that were there before fill their part of the memory (what the planner gives them,
or --parked-mb, which a large model fills sooner), the first ones are asked for again, from memory and from disk; and
the most that was resident meanwhile stands against the prediction with that part on top.

Measured: the bundled model 0.993 of what is resident, 0.961 of the most with its 9 MB of copies; a 3B at Q4_K_M 0.955,
and 0.947 with 45 MB.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from localcoder.engine.api import Request
from localcoder.engine.local import LocalEngine
from localcoder.models.catalog import size_in_name
from localcoder.models.memory_fit import Needs, fit, fit_file, needs_of
from localcoder.models.references import LocalModel

TOKENS = 600
_RESET_PEAK = "5"
"""What makes Linux forget the most that was resident (proc(5), clear_refs): while a file is loaded, pages count that
can be dropped."""


async def ask(engine: LocalEngine, ids: Sequence[int]) -> None:
    async for _ in engine.generate(Request(tuple(ids), max_tokens=8)):
        pass


def worker() -> psutil.Process:
    (found,) = psutil.Process().children()
    return found


def reset_peak() -> None:
    Path(f"/proc/{worker().pid}/clear_refs").write_text(_RESET_PEAK)


def peak_bytes() -> int:
    lines = Path(f"/proc/{worker().pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def texts(needs: Needs, n_vocab: int, parked_bytes: int, tokens: int) -> list[list[int]]:
    """As many texts as have more cells than there is room for, counted by what one of the cache's takes."""
    cell = needs.kv_bytes // needs.context_tokens
    count = parked_bytes // (cell * min(tokens, needs.context_tokens // 2)) + 4
    return [[(number * 7919 + i * i) % (n_vocab - 100) + 100 for i in range(tokens)] for number in range(count)]


async def resident_bytes(path: Path, parked_bytes: int, tokens: int) -> tuple[int, int]:
    """(after a prompt, the most while other texts were read and came back)."""
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine(path, parked_limit_bytes=parked_bytes, snapshots_dir=Path(folder))
        try:
            info = await engine.info()
            await ask(engine, [i % info.n_vocab for i in range(1000, 1000 + TOKENS)])
            resident = int(worker().memory_info().rss)
            reset_peak()
            others = texts(needs_of(path), info.n_vocab, parked_bytes, tokens)
            for ids in others:
                await ask(engine, ids)
            for ids in (*others[-5:-2], *others[:3]):
                await ask(engine, ids)
            return resident, peak_bytes()
        finally:
            await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--parked-mb", type=float)
    parser.add_argument("--text-tokens", type=int, default=TOKENS)
    args = parser.parse_args()
    for path in args.models:
        found = fit_file(LocalModel(path), devices=())
        parked = found.parked_bytes if args.parked_mb is None else int(args.parked_mb * 1e6)
        real, peak = asyncio.run(resident_bytes(path, parked, args.text_tokens))
        by_header = found.needs_bytes
        by_size = fit(path.stat().st_size, size_in_name(path.stem), devices=()).needs_bytes
        print(
            f"{path.name}: resident {real / 1e9:.3f} GB; predicted {by_header / 1e9:.3f} ({by_header / real:.3f}), "
            f"by size {by_size / 1e9:.3f} ({by_size / real:.3f})"
        )
        wanted = by_header + parked
        ratio = f"predicted {wanted / 1e9:.3f} ({wanted / peak:.3f})"
        print(f"  with {parked / 1e6:.0f} MB of copies: at most {peak / 1e9:.3f} GB; {ratio}", flush=True)


if __name__ == "__main__":
    main()
