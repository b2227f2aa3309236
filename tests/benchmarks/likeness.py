"""Which pieces are left out since they repeat the lines around the cursor.

    python tests/benchmarks/likeness.py FOLDER… [--places 2000]

At random places in the code of each folder: the share of pieces of 32 lines (as llama.vim sends them) that are too like
the lines around the cursor, by where the piece is from. On textual, rich, click, httpx, huggingface_hub, uvicorn,
numpy/lib, express, gin, ripgrep and trpc: the same lines 98.9 %, lines 40 above 17.4 %, elsewhere in the file 26.8 %,
another file of the package 0.1 %, any package 0.1 %.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from localcoder.code.walk import code_files, read_code
from localcoder.completion.context.likeness import is_too_like, near_lines
from localcoder.completion.document import Document

PIECE = 32


def piece(lines: list[str], start: int) -> str:
    return "\n".join(lines[start : start + PIECE])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--places", type=int, default=2000)
    args = parser.parse_args()
    rng = random.Random(0)
    packages = [[lines for path in code_files(folder) if len(lines := read_code(path).split("\n")) > 3 * PIECE]
                for folder in args.folders]  # fmt: skip
    packages = [files for files in packages if len(files) > 1]
    like: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for _ in range(args.places):
        files = rng.choice(packages)
        own, other = rng.sample(files, 2)
        far = rng.choice(rng.choice(packages))
        row = rng.randrange(len(own))
        text = "\n".join(own)
        near = near_lines(Document(text, sum(len(line) + 1 for line in own[:row])))
        for name, found in {
            "the same lines": piece(own, max(0, row - PIECE // 2)),
            "lines 40 above": piece(own, row - 56) if row >= 56 else "",
            "elsewhere in the file": piece(own, rng.randrange(len(own))),
            "another file of the package": piece(other, rng.randrange(len(other))),
            "any package": piece(far, rng.randrange(len(far))),
        }.items():
            if found.strip():
                seen[name] += 1
                like[name] += is_too_like(found, near)
    for name, count in seen.items():
        print(f"{name:28} {like[name] / count:6.1%} of {count}")


if __name__ == "__main__":
    main()
