"""What it is worth to a larger model to see what was just changed in other files, left to right.

    python tests/benchmarks/edits.py MODEL.gguf REPOSITORY --commits 30 [--tokens 700] [--out FILE]

Each commit of the git repository that changed two or more files of code is one piece of work: of the file that got
most lines, some of these are holes, and what was added to the others stands before it. The most recent commits are
taken first. MODEL is as for `context.py`.

SmolLM2-135M-Instruct (Q4_1) on localcoder's own last 25 commits, with --tokens 600: +0.084 nats a token [+0.052
+0.129], -0.5 points right [-2.4 +1.1], with 270 tokens more to read whenever something is changed elsewhere. So the app
does not send what was changed in other files; what an editor sends is taken.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tests.benchmarks.context import UNSCORED, Model, Scored, holes_of, report

HOLES = 8
EDIT_CHARACTERS = 900
SUFFIXES = (".py", ".js", ".ts", ".go", ".rs", ".c", ".cpp", ".java")


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True).stdout.decode(
        "utf-8", "replace"
    )


def added(root: Path, commit: str) -> dict[str, list[tuple[int, str]]]:
    """The lines that a commit added, each with its number, by file."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    name, number = "", 0
    for line in git(root, "show", "--unified=0", "--no-renames", "--format=", commit).split("\n"):
        if line.startswith("+++ b/"):
            name = line[6:]
        elif match := re.match(r"@@ -\S+ \+(\d+)", line):
            number = int(match[1])
        elif line.startswith("+") and not line.startswith("+++"):
            found[name].append((number, line[1:]))
            number += 1
    return {name: lines for name, lines in found.items() if name.endswith(SUFFIXES) and lines}


def scored(root: Path, commit: str, model: Model, tokens: int, rng: random.Random) -> Iterator[Scored]:
    by_file = added(root, commit)
    if len(by_file) < 2:
        return
    name = max(by_file, key=lambda each: len(by_file[each]))
    lines = git(root, "show", f"{commit}:{name}").split("\n")
    wanted = [number - 1 for number, line in by_file[name] if re.search(r"\w\W*\w", line)]
    wanted = [number for number in wanted if not re.match(r"import |from |#|//|\"|'|\*", lines[number].strip())]
    if not wanted:
        return
    sizes = [len(model.ids(line + "\n")) for line in lines]
    start, above = wanted[0], 0
    while start > 0 and above < UNSCORED:
        start -= 1
        above += sizes[start]
    end, left = start, tokens
    while end < len(lines) and sizes[end] <= left:
        left -= sizes[end]
        end += 1
    holes = [("changed", number) for number in wanted if number < end]
    if not holes:
        return
    body = model.ids("\n".join(lines[start:end]) + "\n")
    ends = np.cumsum([model.length(id) for id in body])
    separator = model.control("<file_sep>")
    begin = model.control("<repo_name>") + model.ids(root.name)
    own = separator + model.ids(f"{name}\n")
    edits, room = [], EDIT_CHARACTERS
    for other in sorted(by_file):
        text = "\n".join(line for _, line in by_file[other])[:room]
        if other != name and text.strip():
            edits += separator + model.ids(f"{other}\n{text}\n")
            room -= len(text)
    results = {}
    for case, head in (("none", begin + own), ("edits", begin + edits + own)):
        nats, hits = model.score(head, body)
        results[case] = nats, hits, len(head)
    chosen = rng.sample(holes, min(HOLES, len(holes)))
    yield from holes_of(f"{commit}:{name}", lines[start:end], start, chosen, ends, results, rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=700, help="of the file that the model sees")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    root = args.repository.absolute()
    model, rng, found = Model(args.model, args.threads), random.Random(args.seed), list[Scored]()
    begun, taken = time.monotonic(), 0
    for commit in git(root, "log", "--no-merges", "--format=%h").split():
        if taken == args.commits:
            break
        holes = list(scored(root, commit, model, args.tokens, rng))
        taken += bool(holes)
        found += holes
        if holes:
            print(f"{taken} commits, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if args.out:
            args.out.write_text(json.dumps([asdict(each) for each in found]))
    report(found, ("changed",), ("none", "edits"))


if __name__ == "__main__":
    main()
