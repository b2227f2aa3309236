"""Which prompt layout fills best: log-likelihood of the true middle and exact match, on held-out code.

    python tests/benchmarks/layouts.py MODEL.gguf DIRECTORY --places 400

Takes places inside lines of the Python files of DIRECTORY, at random but the same for every layout. The middle is the
rest of the line. PSM and SPM have everything before the place as the prefix; anchored PSM has what stands before the
line, and what the line has so far stands after <fim_middle>, as if it had been typed since. Prints, for each layout,
bits a byte of the true middle and how often greedy decoding gives it whole.
"""

import argparse
import math
import random
from pathlib import Path

from localcoder.completion.layout import fim_prompt
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import Prefill
from localcoder.engine.sampler import log_probability
from localcoder.engine.wire import Load
from localcoder.hardware import default_threads

BEFORE, AFTER = 1200, 500
"""Characters of context: about the window of the bundled model."""


def places(files, count, rng):
    """(text before the line, what the line has so far, the rest of it, text behind)."""
    found = []
    while len(found) < count:
        text = rng.choice(files)
        cut = rng.randrange(len(text))
        start, end = text.rfind("\n", 0, cut) + 1, text.find("\n", cut)
        if end > cut > start and text[start:cut].strip() and text[cut:end].strip():
            found.append(
                (text[max(0, start - BEFORE) : start], text[start:cut], text[cut:end], text[end : end + AFTER])
            )
    return found


def prompt(layout, llama, before, typed, suffix):
    tokens, special = llama.model.tokenize, llama.info.special
    if layout == "anchored":
        return [*fim_prompt("psm", tokens(before), tokens(suffix), special), *tokens(typed)]
    if layout == "left to right":
        return tokens(before + typed)
    return list(fim_prompt(layout, tokens(before + typed), tokens(suffix), special))


def score(llama, generator, ids, middle):
    """(nats of the middle's ids after the prompt, whether each of them was the likeliest)."""
    slot = generator.prefill.cache.acquire(ids).slot
    slot.clear()
    for _ in generator.prefill.read(slot, ids, lambda: False):
        pass
    nats, exact = 0.0, True
    for token in middle:
        logits = llama.logits()
        nats -= log_probability(logits, token)
        exact &= int(logits.argmax()) == token
        generator.prefill.decode(slot, [token], outputs=1)
    return nats, exact


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--places", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    llama = Context(Load(str(args.model), default_threads()))
    generator = Generator(Prefill(llama))
    files = [path.read_text() for path in sorted(args.directory.rglob("*.py"))]
    files = [text for text in files if len(text) > 1000]
    chosen = places(files, args.places, random.Random(args.seed))
    size = sum(len(middle.encode()) for _, _, middle, _ in chosen)
    for layout in ("spm", "anchored", "psm", "left to right"):
        results = []
        for before, typed, middle, suffix in chosen:
            ids = prompt(layout, llama, before, typed, suffix)
            results.append(score(llama, generator, ids, llama.model.tokenize(middle)))
        bits = sum(nats for nats, _ in results) / math.log(2) / size
        exact = sum(exact for _, exact in results) / len(results)
        print(f"{layout:14} {bits:.3f} bits a byte, {exact:.1%} whole")


if __name__ == "__main__":
    main()
