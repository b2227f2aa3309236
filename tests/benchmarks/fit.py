"""Memory that the fit planner predicts against what a loaded model really takes.

    python tests/benchmarks/fit.py MODEL.gguf [MODEL.gguf ...]

Loads each in the engine's worker, reads a prompt of 600 tokens, and prints the worker's resident memory, the
prediction from the file's header, the one from its size alone, and their ratios to what was measured.
"""

import argparse
import asyncio
from pathlib import Path

import psutil

from localcoder.engine.api import Request
from localcoder.engine.local import LocalEngine
from localcoder.models.catalog import size_in_name
from localcoder.models.memory_fit import fit, fit_file
from localcoder.models.references import LocalModel


async def resident_bytes(path: Path) -> int:
    engine = LocalEngine(path)
    try:
        info = await engine.info()
        ids = tuple(i % info.n_vocab for i in range(1000, 1600))
        async for _ in engine.generate(Request(ids, max_tokens=8)):
            pass
        (worker,) = psutil.Process().children()
        return int(worker.memory_info().rss)
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    for path in parser.parse_args().models:
        real = asyncio.run(resident_bytes(path))
        by_header = fit_file(LocalModel(path), devices=()).needs_bytes
        by_size = fit(path.stat().st_size, size_in_name(path.stem), devices=()).needs_bytes
        print(
            f"{path.name}: resident {real / 1e9:.3f} GB; predicted {by_header / 1e9:.3f} ({by_header / real:.3f}), "
            f"by size {by_size / 1e9:.3f} ({by_size / real:.3f})"
        )


if __name__ == "__main__":
    main()
