"""How often a completion is damaged or too long: on real code, with models that say just what was cut out.

    python tests/benchmarks/endings.py [FOLDER…] [--spans 400] [--seed 1] [--language go] [--show 5]

Spans are cut out of files below the folders (by default this Python's packages and /usr/include). `exact` is a model
that says the span and ends; `run-on` one that goes on with the 160 characters that stand behind the cursor and never
ends. A completion counts as damaged when its text is not the span's.
"""

from __future__ import annotations

import argparse
import random
import re
import sysconfig
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from localcoder.code.brackets import CLOSING, OPENING
from localcoder.code.indentation import depth_of
from localcoder.code.languages import LANGUAGES, language_of
from localcoder.code.walk import code_files
from localcoder.completion.document import Document
from localcoder.completion.ending import Ending, end_of

RUN_ON = 160
LARGEST_FILE, SMALLEST_FILE = 200_000, 500
LONGEST_BLOCK_LINES = 25
LONGEST_PART = 400
SPANS_A_FILE = 8


@dataclass(frozen=True)
class Span:
    kind: str
    document: Document
    middle: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--spans", type=int, default=400, help="of each kind and language")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--language", action="append", choices=[language.name for language in LANGUAGES])
    parser.add_argument("--unnamed", action="store_true", help="keep the files' names to oneself, as editors do")
    parser.add_argument("--show", type=int, default=0, help="damaged ones to print, of each kind and language")
    options = parser.parse_args()
    folders = options.folders or [Path(sysconfig.get_paths()["purelib"]), Path("/usr/include")]
    rng = random.Random(options.seed)
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    print(f"{'language':<12}{'kind':<8}{'spans':>7}{'exact %':>10}{'run-on %':>10}{'ms a token':>12}")
    for language, paths in sorted(_files(folders).items()):
        if options.language and language not in options.language:
            continue
        rng.shuffle(paths)
        spans: dict[str, list[Span]] = defaultdict(list)
        for span in _spans(paths, rng):
            if options.unnamed:
                span = replace(span, document=replace(span.document, path=None))
            if len(spans[span.kind]) < options.spans:
                spans[span.kind].append(span)
            if len(spans) == len(KINDS) and all(len(each) >= options.spans for each in spans.values()):
                break
        for kind in KINDS:
            if spans[kind]:
                _measure(language, kind, spans[kind], totals, options.show)
    print()
    for name, (damaged, of) in totals.items():
        print(f"{name}: {damaged} of {of}: {100 * damaged / max(of, 1):.2f} %")


def _measure(language: str, kind: str, spans: list[Span], totals: dict[str, list[int]], show: int) -> None:
    damaged = {"exact": 0, "run-on": 0}
    tokens, spent = 0, 0.0
    for span in spans:
        follows = span.document.suffix[:RUN_ON]
        for name, text in (("exact", span.middle), ("run-on", span.middle + follows)):
            pieces = _tokens(text)
            begun = time.perf_counter()
            end = end_of(span.document, pieces, ended=name == "exact")
            spent += time.perf_counter() - begun
            tokens += len(pieces)
            totals[name][1] += 1
            if end.text != span.middle:
                damaged[name] += 1
                totals[name][0] += 1
                if damaged[name] <= show:
                    _print(name, span, end.text, end.reason)
            _check_stream(span.document, pieces, end.text, ended=name == "exact")
    shares = [100 * damaged[name] / len(spans) for name in damaged]
    print(f"{language:<12}{kind:<8}{len(spans):>7}{shares[0]:>10.2f}{shares[1]:>10.2f}{1000 * spent / tokens:>12.3f}")


def _check_stream(document: Document, pieces: list[str], whole: str, *, ended: bool) -> None:
    ending, shown = Ending(document, "block"), ""
    for piece in pieces:
        shown += ending.feed(piece)
        assert whole.startswith(shown), (document.path, whole, shown)
        if ending.reason is not None:
            break
    assert shown + ending.rest(ending.finish(ended=ended)) == whole


def _print(name: str, span: Span, shown: str, reason: str) -> None:
    print(f"--- {name} {span.kind} {span.document.path}:{span.document.prefix.count(chr(10)) + 1} ({reason})")
    print(f"    before {span.document.prefix[-60:]!r}")
    print(f"    middle {span.middle!r}")
    print(f"    shown  {shown!r}")
    print(f"    behind {span.document.suffix[:80]!r}")


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s?\w+|\s+|[^\w\s]{1,3}", text)


def _files(folders: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        for path in code_files(folder):
            language = language_of(path)
            if language.name != "plain" and SMALLEST_FILE < path.stat().st_size < LARGEST_FILE:
                name = "cpp" if path.suffix == ".h" and _is_cpp(path) else language.name
                found[name].append(path)
    return found


def _is_cpp(path: Path) -> bool:
    return re.search(rb"\b(namespace|template|class)\b", path.read_bytes()) is not None


def _spans(paths: list[Path], rng: random.Random) -> Iterator[Span]:
    for path in paths:
        try:
            text = path.read_bytes().decode("utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        lines = text.split("\n")
        if max(map(len, lines)) > 400:
            continue
        named = path.with_suffix(".hpp") if path.suffix == ".h" and _is_cpp(path) else path
        for kind, cut in KINDS.items():
            for _ in range(SPANS_A_FILE):
                found = cut(text, rng)
                if found is not None:
                    start, end = found
                    middle = text[start:end]
                    if middle.strip():
                        yield Span(kind, Document(text[:start] + text[end:], start, named), middle)


def _cut_pair(text: str, rng: random.Random) -> tuple[int, int] | None:
    """All that stands in a bracket pair."""
    places = [match.start() for match in re.finditer(r"[(\[{]", text)]
    if not places:
        return None
    start = rng.choice(places)
    stack: list[str] = []
    for offset in range(start, min(len(text), start + 1500)):
        character = text[offset]
        if character in OPENING:
            stack.append(character)
        elif character in CLOSING:
            if OPENING.index(stack.pop()) != CLOSING.index(character):
                return None
            if not stack:
                return start + 1, offset
    return None


def _cut_part(text: str, rng: random.Random) -> tuple[int, int] | None:
    """Some words in a bracket pair."""
    pair = _cut_pair(text, rng)
    if pair is None:
        return None
    borders = [pair[0] + match.start() for match in re.finditer(r"\b|$", text[slice(*pair)])]
    if len(borders) < 2:
        return None
    start, end = sorted(rng.sample(borders, 2))
    return (start, end) if end - start <= LONGEST_PART else None


def _lines(text: str) -> list[tuple[int, int]]:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    ends = [start - 1 for start in starts[1:]] + [len(text)]
    return list(zip(starts, ends, strict=True))


def _cut_rest(text: str, rng: random.Random) -> tuple[int, int] | None:
    """From anywhere in a line to its end."""
    start, end = rng.choice(_lines(text))
    line = text[start:end].rstrip()
    indent = len(line) - len(line.lstrip())
    if len(line) - indent < 2:
        return None
    return start + rng.randrange(indent + 1, len(line)), start + len(line)


def _cut_line(text: str, rng: random.Random) -> tuple[int, int] | None:
    """A line, with or without its indentation and its newline."""
    start, end = rng.choice(_lines(text))
    line = text[start:end]
    indent = len(line) - len(line.lstrip())
    newline = rng.random() < 0.3 and end < len(text)
    end = end + 1 if newline else start + len(line.rstrip())
    return (start if newline or rng.random() < 0.3 else start + indent), end


def _cut_block(text: str, rng: random.Random) -> tuple[int, int] | None:
    """The lines that are indented more than the one above them: from its end, or from their own beginning."""
    lines = _lines(text)
    header = rng.randrange(len(lines))
    start, end = lines[header]
    if not text[start:end].strip():
        return None
    indent = depth_of(text[start:end])
    last, first = header, None
    for number in range(header + 1, min(len(lines), header + 1 + LONGEST_BLOCK_LINES)):
        line = text[slice(*lines[number])]
        if line.strip() and depth_of(line) <= indent:
            break
        if line.strip():
            last, first = number, first or number
    else:
        return None
    if first is None:
        return None
    stop = lines[last][0] + len(text[slice(*lines[last])].rstrip())
    begin = lines[first][0]
    depth = len(text[slice(*lines[first])]) - len(text[slice(*lines[first])].lstrip())
    return rng.choice([(end - text[start:end].endswith("\r"), stop), (begin, stop), (begin + depth, stop)])


KINDS = {"pair": _cut_pair, "part": _cut_part, "rest": _cut_rest, "line": _cut_line, "block": _cut_block}


if __name__ == "__main__":
    main()
