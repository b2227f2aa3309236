"""Whether drafts from other files pay: the n-gram lookup sees the prompt alone, or more of what is near it.

    python tests/benchmarks/drafts.py VOCABULARY.gguf PACKAGE… [--timing MODEL.gguf] [--prompt-tokens 2304]

Cuts holes (rest of line, line, block, function body) out of the files of each package and replays their generation as
the engine does it, with the truth forced: drafts by `Lookup`, batches by `Payoff`, which learns from hole to hole of a
package. No model computes, so a vocabulary is enough; what a batch costs is what `--timing` measures on a model, or
SECONDS. Tokens are counted as the engine counts them: the first comes with the prompt, the end token is one more step.
What a lookup sees:

    prompt      the prompt alone
    own file    also what of the file is outside of the prompt
    merged      (with --merged) one lookup over other files of the package (nearest folder first), then the prompt
    others      a lookup each of those files, asked where the prompt has no match, or only a shorter one; how often
                they are right counts by itself
    imports     the same with the files of the package that the file names where it imports or includes
    all         the same with own file, others and imports together

Prints for each, over all holes: tokens accepted a draft, decode steps a token and tokens/s; the median over packages of
its tokens/s against the prompt alone, with a 95 % interval, and of drafts against none; then tokens/s by kind of hole,
how often a draft's first id was right by where it came from and how much matched, and what building the lookups costs.

With StarCoder2's vocabulary and SECONDS, 48 holes each of 20 Python packages (13,738 tokens), drafts from the prompt
gain 1.029 [1.004, 1.047]. Against those:

    prompts of             2,304 tokens              256 tokens                2,304, 12 folders of TypeScript
    own file               0.997 [0.993, 1.001]      1.012 [0.999, 1.031]      1.000 [0.995, 1.010]
    merged                 0.996 [0.992, 1.002]      1.000 [0.992, 1.006]
    others                 0.999 [0.996, 1.001]      0.999 [0.996, 1.002]      0.997 [0.993, 1.003]
    imports                0.996 [0.993, 1.000]      0.998 [0.996, 1.001]      0.998 [0.996, 0.999]
    all                    0.995 [0.992, 1.002]      1.007 [0.998, 1.028]      1.001 [0.990, 1.025]

More drafts are right, and what they save is what verifying the others costs, since a batch of 4 takes 2.2 times as long
as a single token. So the engine looks at the prompt alone. If a batch of 4 took 1.15 times as long (--seconds 1=1
4=1.15 16=1.5), which is an assumption and no measurement, others would gain 1.036 [1.023, 1.051], all 1.080 [1.061,
1.097]: where --timing says so of a machine, it is worth another look.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import llama_cpp.llama_cpp as lib

from localcoder.completion.complete import DEFAULT_PROMPT_TOKENS
from localcoder.completion.document import Document
from localcoder.completion.layout import fim_prompt
from localcoder.completion.window import choose_window
from localcoder.engine.context import Context
from localcoder.engine.model import Model
from localcoder.engine.prefill import READ_SLICE
from localcoder.engine.speculate import NGRAMS, Lookup, Payoff
from localcoder.engine.vocab import special_ids
from localcoder.engine.wire import Load
from localcoder.evaluate.holes import Hole, Kind, cut, reading_order
from localcoder.evaluate.own_code import OwnFile, own_files
from localcoder.evaluate.statistics import median_interval

SECONDS = {1: 0.123, 2: 0.186, 4: 0.268, 8: 0.613, 16: 0.840, 32: 1.627}
"""Of batches by their tokens: a 3B at Q4_K_M on two threads, behind 384 tokens; medians of 14."""
TIMED_BEHIND = 384
WINDOW = 4096
MAX_TOKENS = 96
KINDS: tuple[Kind, ...] = ("rest", "line", "block", "function")
END = 0
_IMPORTS = re.compile(r"^\s*(?:from|import|export|#\s*include)\b.*", re.MULTILINE)

SOURCES = ("prompt", "own", "other", "import")
_KEYS = 100
"""A match of n tokens in a source is counted under this times the source's place, and n more: the prompt's under n."""


def batch_seconds(path: Path, threads: int, rounds: int) -> dict[int, float]:
    """The median seconds of a batch of each size."""
    context, rng = Context(Load(str(path), threads)), random.Random(0)
    ids = [rng.randrange(1000, context.model.n_vocab) for _ in range(TIMED_BEHIND + max(SECONDS))]
    for at in range(0, TIMED_BEHIND, READ_SLICE):
        context.decode(ids[at : at + READ_SLICE], at)
    found: dict[int, list[float]] = {size: [] for size in SECONDS}
    for _ in range(rounds):
        for size in rng.sample(list(found), len(found)):
            begun = time.perf_counter()
            context.decode(ids[TIMED_BEHIND : TIMED_BEHIND + size], TIMED_BEHIND, size)
            found[size].append(time.perf_counter() - begun)
            context.seq_rm(0, TIMED_BEHIND, -1)
    context.close()
    return {size: statistics.median(times) for size, times in found.items()}


class Background(Lookup):
    """A text that does not grow, asked for what followed the last tokens of another."""

    ngrams: Sequence[int] = NGRAMS

    def after(self, last: Sequence[int], longer_than: int, length: int) -> tuple[int, list[int]]:
        for n in self.ngrams:
            if n > longer_than and (end := self._ends.get(tuple(last[-n:]))) is not None:
                return n, self._ids[end : end + length]
        return 0, []


def copy(lookup: Lookup) -> Lookup:
    other = Lookup(())
    other._ids, other._ends = list(lookup._ids), dict(lookup._ends)
    return other


class Guess:
    """Drafts from the prompt's own lookup, and from the background where that has none as long."""

    def __init__(
        self, ids: Sequence[int], background: Sequence[tuple[str, Background]], before: Lookup | None = None
    ) -> None:
        self._lookup = copy(before) if before else Lookup(())
        for token in ids:
            self._lookup.append(token)
        self._last = list(ids[-max(NGRAMS) :])
        self._background = background

    def append(self, token: int) -> None:
        self._lookup.append(token)
        self._last = [*self._last[1 - max(NGRAMS) :], token]

    def draft(self, length: int) -> tuple[int, list[int]]:
        """(what a match is counted under, the ids that may come next)."""
        matched, ids = self._lookup.draft(length)
        key = matched
        for name, each in self._background:
            n, found = each.after(self._last, matched, length)
            if n > matched and found:
                matched, ids, key = n, found, SOURCES.index(name) * _KEYS + n
        return key, ids


@dataclass
class Costs:
    """Of generating some texts. Tokens without the first of each."""

    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0
    drafts: int = 0
    accepted: int = 0
    first: Counter[tuple[int, bool]] = field(default_factory=Counter)
    """By source of a draft, made use of or not: whether its first id was right."""

    def add(self, other: Costs) -> None:
        for name in ("tokens", "steps", "seconds", "drafts", "accepted", "first"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds


def replay(
    position: int, truth: Sequence[int], guess: Guess | None, payoff: Payoff, seconds: dict[int, float]
) -> Costs:
    """As `Generator._go_on`: what it costs to generate `truth`, whose first id came with the prompt, and the end."""
    costs, at, coming = Costs(), 1, [*truth, END]
    if guess is not None:
        guess.append(truth[0])
    while at < len(coming):
        key, size, ids = 0, 1, list[int]()
        if guess is not None:
            largest = max(0, min(READ_SLICE, WINDOW - position - at))
            key, ids = guess.draft(min(largest, MAX_TOKENS - at))
            size = payoff.batch(key, len(ids), largest)
        costs.steps += 1
        costs.seconds += seconds[size]
        costs.drafts += size > 1
        payoff.timed(size, seconds[size])
        for index in range(size):
            token = coming[at]
            at += 1
            costs.tokens += 1
            is_over = at == len(coming)
            if guess is not None and not is_over:
                guess.append(token)
            right = not is_over and index < len(ids) and token == ids[index]
            if index < len(ids):
                payoff.observed(key, right=right)
                costs.first[key, right] += index == 0
            if not right:
                break
            costs.accepted += index < size - 1
    return costs


def vocabulary(path: Path) -> Model:
    """A model of which only the vocabulary is loaded."""
    params = lib.llama_model_default_params()
    params.vocab_only = True
    with patch.object(lib, "llama_model_default_params", lambda: params):
        return Model(Load(str(path), 1))


def prompt(model: Model, document: Document, tokens: int) -> tuple[tuple[int, ...], str, str]:
    """(the SPM prompt of about so many tokens and no more, the text of the file before and behind what is in it)."""
    characters = tokens * 4
    while True:
        window = choose_window(document, characters)
        prefix, suffix = model.tokenize(window.prefix), model.tokenize(window.suffix)
        ids = fim_prompt("spm", prefix, suffix, special_ids(model.control), ())
        if len(ids) <= tokens:
            before, behind = document.prefix[: window.left_out_before], document.suffix[len(window.suffix) :]
            return ids, before, behind
        characters = int(characters * 0.97 * tokens / len(ids))


def nearest(file: OwnFile, files: Sequence[OwnFile], count: int) -> list[OwnFile]:
    """Other files of the package, those that share most of the folders first, the rest by chance."""
    rng, parents = random.Random(file.name), file.name.split("/")[:-1]

    def near(other: OwnFile) -> tuple[int, float]:
        shared = sum(1 for _ in iter_shared(parents, other.name.split("/")[:-1]))
        return -shared + len(other.name.split("/")) - 1, rng.random()

    others = sorted((each for each in files if each.sha256 != file.sha256), key=near)
    return others[:count]


def iter_shared(one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a


def imported(file: OwnFile, files: Sequence[OwnFile], count: int) -> list[OwnFile]:
    """Files of the package whose names stand where the file imports or includes."""
    words = {word for line in _IMPORTS.findall(file.text) for word in re.findall(r"\w+(?:-\w+)*", line)}
    named = [each for each in files if each.path.stem in words and each.sha256 != file.sha256]
    return nearest(file, named, count)


@dataclass
class Package:
    """What was measured of one: costs by variant, and by kind of hole and variant."""

    whole: dict[str, Costs] = field(default_factory=lambda: defaultdict(Costs))
    kinds: dict[tuple[str, str], Costs] = field(default_factory=lambda: defaultdict(Costs))


class Bench:
    def __init__(
        self, model: Model, seconds: dict[int, float], prompt_tokens: int, others: int, *, merges: bool
    ) -> None:
        self._model, self._seconds = model, seconds
        self._prompt_tokens, self._others = prompt_tokens, others
        self._ids: dict[str, list[int]] = {}
        self._lookups: dict[str, Background] = {}
        self._is_merging = merges
        self._merged = "", Lookup(())
        """Of the file that the last hole was in; holes come file by file."""
        self.built_tokens, self.built_s = 0, 0.0

    def package(self, folder: Path, holes: int) -> Package:
        files = own_files(folder)
        payoffs: dict[str, Payoff] = defaultdict(Payoff)
        found = Package()
        for hole in reading_order(cut(files, kinds=KINDS, max_tokens=MAX_TOKENS)[:holes]):
            for variant, costs in self._hole(hole, files, payoffs):
                found.whole[variant].add(costs)
                found.kinds[hole.kind, variant].add(costs)
        return found

    def _hole(self, hole: Hole, files: Sequence[OwnFile], payoffs: dict[str, Payoff]) -> Iterator[tuple[str, Costs]]:
        truth = self._model.tokenize(hole.middle)[: MAX_TOKENS - 1]
        ids, before, behind = prompt(self._model, hole.document, self._prompt_tokens)
        others = nearest(hole.file, files, self._others)
        own = [("own", self._build(self._model.tokenize(text))) for text in (before, behind) if text]
        near = [("other", self._lookup(each)) for each in others]
        imports = [("import", self._lookup(each)) for each in imported(hole.file, files, self._others)]
        for variant, sources in {
            "prompt": [],
            "own file": own,
            "others": near,
            "imports": imports,
            "all": [*own, *imports, *near],
        }.items():
            yield variant, replay(len(ids), truth, Guess(ids, sources), payoffs[variant], self._seconds)
        yield "none", replay(len(ids), truth, None, payoffs["none"], self._seconds)
        if self._is_merging:
            if self._merged[0] != hole.file.sha256:
                self._merged = hole.file.sha256, self._build([token for each in others for token in self._tokens(each)])
            merged = Guess(ids, (), self._merged[1])
            yield "merged", replay(len(ids), truth, merged, payoffs["merged"], self._seconds)

    def _tokens(self, file: OwnFile) -> list[int]:
        if file.sha256 not in self._ids:
            self._ids[file.sha256] = self._model.tokenize(file.text)
        return self._ids[file.sha256]

    def _lookup(self, file: OwnFile) -> Background:
        if file.sha256 not in self._lookups:
            self._lookups[file.sha256] = self._build(self._tokens(file))
        return self._lookups[file.sha256]

    def _build(self, ids: Sequence[int]) -> Background:
        begun = time.perf_counter()
        lookup = Background(ids)
        self.built_s += time.perf_counter() - begun
        self.built_tokens += len(ids)
        return lookup


VARIANTS = ("none", "prompt", "own file", "merged", "others", "imports", "all")


def report(packages: Sequence[Package]) -> None:
    for variant in (each for each in VARIANTS if each in packages[0].whole):
        whole = Costs()
        for package in packages:
            whole.add(package.whole[variant])
        base = "none" if variant == "prompt" else "prompt"
        gains = [each.whole[variant].tokens_per_s / each.whole[base].tokens_per_s for each in packages]
        interval = median_interval(gains)
        kinds = []
        for kind in KINDS:
            costs = Costs()
            for package in packages:
                costs.add(package.kinds[kind, variant])
            kinds.append(f"{kind} {costs.tokens_per_s:.2f}")
        print(
            f"{variant:8}  {whole.drafts:6} drafts  {whole.accepted / max(1, whole.drafts):5.2f} accepted each"
            f"  {whole.steps / whole.tokens:.3f} steps a token  {whole.tokens_per_s:6.2f} tokens/s"
            f"  against {base}: {interval.median:.3f} [{interval.low:.3f}, {interval.high:.3f}]  {', '.join(kinds)}"
        )
        rights = []
        for key in sorted({key for key, _ in whole.first}):
            right, count = whole.first[key, True], whole.first[key, True] + whole.first[key, False]
            if count:
                rights.append(f"{SOURCES[key // _KEYS]} {key % _KEYS} {right / count:.2f} of {count}")
        print("    first id right:", ", ".join(rights))


def size_and_seconds(text: str) -> tuple[int, float]:
    size, seconds = text.split("=")
    return int(size), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocabulary", type=Path)
    parser.add_argument("packages", type=Path, nargs="*")
    parser.add_argument("--timing", type=Path, metavar="MODEL.gguf")
    parser.add_argument("--seconds", type=size_and_seconds, nargs="+", default=(), metavar="TOKENS=SECONDS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--prompt-tokens", type=int, default=DEFAULT_PROMPT_TOKENS)
    parser.add_argument("--holes", type=int, default=120, help="of each package at most")
    parser.add_argument("--others", type=int, default=6, help="other files that a lookup sees")
    parser.add_argument("--merged", action="store_true", help="also one lookup over all: slow to build")
    parser.add_argument("--background-ngrams", type=int, nargs="+", default=NGRAMS, choices=NGRAMS)
    args = parser.parse_args()
    Background.ngrams = args.background_ngrams
    seconds = SECONDS | dict(args.seconds)
    if args.timing:
        seconds = batch_seconds(args.timing, args.threads, args.rounds)
    print("seconds of a batch:", ", ".join(f"{size}: {spent:.3f}" for size, spent in seconds.items()))
    if not args.packages:
        return
    bench = Bench(vocabulary(args.vocabulary), seconds, args.prompt_tokens, args.others, merges=args.merged)
    packages = [bench.package(folder, args.holes) for folder in args.packages]
    print(f"{len(packages)} packages, {sum(each.whole['prompt'].tokens for each in packages)} tokens generated")
    report(packages)
    print(f"a lookup costs {bench.built_s / bench.built_tokens * 1e6:.2f} s a million tokens")


if __name__ == "__main__":
    main()
