"""What a window costs whose cells were kept and shifted while it grew, stage by stage.

    python tests/benchmarks/growth.py MODEL.gguf DIRECTORY --places 300

Takes places in the Python files of DIRECTORY and reads the SPM prompt of a small window around each, then of larger
ones, as reading ahead does, each around the cells of the last. Prints the log-likelihood (nats a token) of the line
that stands there with the whole window grown, with the same window read afresh in its right order, and with the
windows of half and of a quarter of the tokens read afresh: what reading windows in full, each twice the last, has
meanwhile.
"""

import argparse
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from localcoder.code.walk import code_files, read_code
from localcoder.completion.document import Document
from localcoder.completion.layout import fim_prompt
from localcoder.completion.prompt_session import SMALLEST_QUICK_TOKENS, STAGE
from localcoder.completion.window import choose_window
from localcoder.engine.context import Context
from localcoder.engine.prefill import Prefill
from localcoder.engine.wire import Load
from localcoder.hardware import default_threads

SCORED_TOKENS = 24


def prompt(context: Context, document: Document, tokens: int) -> tuple[int, ...]:
    """The SPM prompt of about so many tokens, and no more."""
    characters = tokens * 4
    while True:
        window = choose_window(document, characters)
        prefix, suffix = context.model.tokenize(window.prefix), context.model.tokenize(window.suffix)
        ids = fim_prompt("spm", prefix, suffix, context.info.special, ())
        if len(ids) <= tokens:
            return ids
        characters = int(characters * 0.97 * tokens / len(ids))


def nats(prefill: Prefill, ids: Sequence[int], middle: Sequence[int], *, exact: bool) -> float:
    batches = prefill.score((*ids, *middle), len(ids), 0, lambda: False, exact=exact)
    return -statistics.mean(score.logprob for batch in batches for score in batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--places", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=225, help="of the whole window; the bundled model's is 256")
    parser.add_argument("--stage", type=float, default=STAGE, help="how many times the tokens of the window before")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    context, rng = Context(Load(str(args.model), default_threads())), random.Random(args.seed)
    files = [read_code(path) for path in code_files(args.directory) if path.suffix == ".py"]
    texts = [text for text in files if len(text) > args.tokens * 8]
    found: dict[str, list[float]] = {"grown": [], "afresh": [], "half": [], "quarter": []}
    while len(found["grown"]) < args.places:
        text = rng.choice(texts)
        start = text.find("\n", rng.randrange(len(text))) + 1
        end = text.find("\n", start) + 1
        middle = context.model.tokenize(text[start:end])[:SCORED_TOKENS]
        if not text[start:end].strip():
            continue
        # As if the line were being written: it is not in the prompt.
        document = Document(text[:start] + text[end:], start)
        prefill, tokens = Prefill(context), SMALLEST_QUICK_TOKENS
        while True:
            ids = prompt(context, document, min(tokens, args.tokens))
            prefill.warm(ids, lambda: False, exact=False)
            if tokens >= args.tokens:
                break
            tokens = int(tokens * args.stage)
        found["grown"].append(nats(prefill, ids, middle, exact=False))
        found["afresh"].append(nats(Prefill(context), ids, middle, exact=True))
        for name, share in (("half", 2), ("quarter", 4)):
            smaller = prompt(context, document, args.tokens // share)
            found[name].append(nats(Prefill(context), smaller, middle, exact=True))
    for name, values in found.items():
        costs = [a - b for a, b in zip(values, found["afresh"], strict=True)]
        error = statistics.stdev(costs) / len(costs) ** 0.5
        more = f"{statistics.mean(costs):+.4f} (standard error {error:.4f})"
        print(f"{name:8} {statistics.mean(values):.4f} nats a token, {more}")


if __name__ == "__main__":
    main()
