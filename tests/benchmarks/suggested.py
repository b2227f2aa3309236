"""How often something is suggested, how often that is right, and what a `least_confidence` hides of both.

    python tests/benchmarks/suggested.py FOLDER… [--model FILE.gguf] [--holes 400] [--least 0.1 0.2 0.3] [--show 5]

Cuts holes into the code below the folders, as `eval` does, and has the model fill each as the app would. Printed are,
for each language and kind of hole: the share that something is suggested in, the share of those whose first line is
that of what was cut out, whole suggestions that are right, and texts that were ended for going round in circles. Below,
the same for each least confidence, with what of the right and of the wrong suggestions it hides.

A model for which the code is new should be given: the bundled one has seen `assets/nano/recipe/packages.txt`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcoder.assembly import make_engine
from localcoder.completion.complete import Completion, Options, complete
from localcoder.completion.prompt_session import PromptSession
from localcoder.evaluate.holes import Hole, cut
from localcoder.evaluate.own_code import own_files
from localcoder.settings import Settings

CONTEXT_TOKENS = 512
LEAST = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Filled:
    hole: Hole
    text: str
    reason: str
    confidence: float

    @property
    def is_suggested(self) -> bool:
        return bool(self.text.strip())

    @property
    def is_right(self) -> bool:
        """Its first line with text is that of what stood there."""
        return self.is_suggested and _first(self.text) == _first(self.hole.middle)

    @property
    def is_whole_right(self) -> bool:
        return self.is_suggested and self.text.strip() == self.hole.middle.strip()


def _first(text: str) -> str:
    return text.strip().partition("\n")[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--holes", type=int, default=400, help="of each language")
    parser.add_argument("--least", type=float, nargs="+", default=LEAST)
    parser.add_argument("--show", type=int, default=0, help="looped and wrong ones to print, of each kind")
    args = parser.parse_args()
    by_language: dict[str, list[Hole]] = defaultdict(list)
    for hole in cut([file for folder in args.folders for file in own_files(folder)]):
        if len(by_language[hole.file.language.name]) < args.holes:
            by_language[hole.file.language.name].append(hole)
    holes = [hole for each in by_language.values() for hole in each]
    filled = asyncio.run(fill(holes, args.model))
    for language in sorted(by_language):
        report(language, [each for each in filled if each.hole.file.language.name == language], args.least)
    if args.show:
        show(filled, args.show)


async def fill(holes: Sequence[Hole], model: str | None) -> list[Filled]:
    engine = make_engine(model, Settings(), threads=1, snapshots=False)
    options = Options(max_prompt_tokens=CONTEXT_TOKENS, logprobs=True)
    filled = []
    try:
        for hole in holes:
            async for update in complete(hole.document, engine, options, PromptSession()):
                if isinstance(update, Completion):
                    sure = update.first_line_confidence or 0.0
                    filled.append(Filled(hole, update.text, update.reason, sure))
    finally:
        await engine.close()
    return filled


def report(language: str, filled: Sequence[Filled], least: Sequence[float]) -> None:
    print(f"\n{language:<14}{'holes':>7}{'suggested':>11}{'right':>8}{'whole right':>13}{'loops':>8}  why nothing")
    kinds = sorted({each.hole.kind for each in filled})
    for kind in (*kinds, "all"):
        of = [each for each in filled if kind in (each.hole.kind, "all")]
        suggested = [each for each in of if each.is_suggested]
        nothing = Counter(each.reason for each in of if not each.is_suggested)
        print(
            f"{kind:<14}{len(of):>7}{_share(len(suggested), len(of)):>11}"
            f"{_share(sum(each.is_right for each in suggested), len(suggested)):>8}"
            f"{_share(sum(each.is_whole_right for each in suggested), len(suggested)):>13}"
            f"{_share(sum(each.reason == 'loop' for each in of), len(of)):>8}  "
            + ", ".join(f"{reason} {count}" for reason, count in nothing.most_common())
        )
    suggested = [each for each in filled if each.is_suggested]
    rights = [each for each in suggested if each.is_right]
    wrongs = [each for each in suggested if not each.is_right]
    print(f"{'at least':<14}{'suggested':>18}{'right':>8}{'right hidden':>15}{'wrong hidden':>15}")
    for bound in (0.0, *least):
        kept = [each for each in suggested if each.confidence >= bound]
        right = sum(each.is_right for each in kept)
        print(
            f"{bound:<14}{_share(len(kept), len(filled)):>18}{_share(right, len(kept)):>8}"
            f"{_share(sum(each.confidence < bound for each in rights), len(rights)):>15}"
            f"{_share(sum(each.confidence < bound for each in wrongs), len(wrongs)):>15}"
        )


def _share(part: int, of: int) -> str:
    return f"{100 * part / of:.1f}%" if of else "–"


def show(filled: Sequence[Filled], most: int) -> None:
    printed: Counter[tuple[str, bool]] = Counter()
    for each in filled:
        group = each.hole.kind, each.reason == "loop"
        printed[group] += 1
        if not each.is_right and printed[group] <= most:
            print(f"--- {each.hole.kind} {each.hole.where} ({each.reason}, {each.confidence:.2f})")
            print(f"    before {each.hole.document.prefix[-60:]!r}")
            print(f"    was    {each.hole.middle!r}")
            print(f"    said   {each.text!r}")


if __name__ == "__main__":
    main()
