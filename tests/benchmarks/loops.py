"""How often code that people wrote would be cut as a loop: each line of real code, as if a model had said it.

    python tests/benchmarks/loops.py FOLDER… [--show 10]

Of a line that repeats words, everything before it and behind it is what stands around the cursor. Prints, for each
language, how many of its lines are cut in the middle of a text, and how many where the text is broken off at their end.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from localcoder.code.languages import language_of
from localcoder.code.walk import code_files
from localcoder.completion.word_loop import WordLoop, most_rounds, words_of

LARGEST_FILE, LONGEST_LINE = 200_000, 1_000
FEWEST_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--show", type=int, default=0, help="lines to print that are cut")
    args = parser.parse_args()
    lines, cut, broken_off = Counter[str](), Counter[str](), Counter[str]()
    shown: list[str] = []
    for path in sorted({path for folder in args.folders for path in code_files(folder)}):
        language = language_of(path).name
        text = _read(path)
        if text is None or language == "plain":
            continue
        start = 0
        for line in text.split("\n"):
            end = start + len(line)
            lines[language] += 1
            if any(rounds >= FEWEST_ROUNDS for rounds in most_rounds(words_of(line)).values()):
                loop = WordLoop(text[:start], text[end:])
                if loop.feed(line + "\n") is not None:
                    cut[language] += 1
                    shown.append(f"{path}: {line.strip()[:120]}")
                loop = WordLoop(text[:start], text[end:])
                if loop.feed(line) is not None or loop.cut() is not None:
                    broken_off[language] += 1
            start = end + 1
    print(f"{'language':<14}{'lines':>10}{'cut':>6}{'of 100,000':>12}{'broken off':>12}{'of 100,000':>12}")
    for language, count in [*sorted(lines.items()), ("all", sum(lines.values()))]:
        of = [sum(each.values()) if language == "all" else each[language] for each in (cut, broken_off)]
        per = [1e5 * each / count for each in of]
        print(f"{language:<14}{count:>10,}{of[0]:>6}{per[0]:>12.1f}{of[1]:>12}{per[1]:>12.1f}")
    print("\n".join(shown[: args.show]))


def _read(path: Path) -> str | None:
    try:
        if path.stat().st_size > LARGEST_FILE:
            return None
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text if max(map(len, text.split("\n"))) <= LONGEST_LINE else None


if __name__ == "__main__":
    main()
