"""What an editor types along: indentation, closing brackets, comment marks. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from localcoder.code.languages import Language

PAIRS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}
_CLOSING = frozenset(PAIRS.values())
_QUOTES = frozenset("\"'`")
_CASE = re.compile(r"\s*(case\b.*|default\s*):\s*((//|/\*).*)?$")
_SAMPLE_LINES = 2_000
"""How far a file is searched for an indented line. Chosen: past any header of comments and imports."""


@dataclass(frozen=True)
class Typed:
    """Type `text`, then put the cursor `back` characters back (below 0: forward)."""

    text: str
    back: int = 0


STEP_OVER = Typed("", back=-1)


def indentation_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_unit(lines: Sequence[str], default: str) -> str:
    """What this text indents by: a tab, or the step of spaces that its first lines take; `default` without any."""
    steps: dict[int, int] = {}
    previous = 0
    for line in lines[:_SAMPLE_LINES]:
        if line.startswith("\t"):
            return "\t"
        if line.strip():
            width = len(line) - len(line.lstrip(" "))
            if width - previous in (2, 3, 4, 8):
                steps[width - previous] = steps.get(width - previous, 0) + 1
            previous = width
    return " " * max(steps, key=lambda step: steps[step]) if steps else default


def new_line(before: str, after: str, unit: str, language: Language) -> Typed:
    """What Enter types between the two halves of a line: as deep as the line, and deeper after what opens a block."""
    depth = indentation_of(before)
    opens = re.search(language.indent_after, before) is not None or (language.has_cases and _CASE.match(before))
    if opens and after.lstrip()[:1] in ")]}" and after.lstrip()[:1] and before.rstrip()[-1:] in "([{":
        return Typed(f"\n{depth}{unit}\n{depth}", back=len(depth) + 1)
    if language.name == "python" and re.match(r"\s*(return|pass|break|continue|raise)\b", before) and not opens:
        depth = depth.removesuffix(unit)
    return Typed("\n" + depth + (unit if opens else ""))


def character(typed: str, before: str, after: str, language: Language) -> Typed:
    """What a typed character becomes: an opening bracket brings its partner, a partner already there is stepped over
    (as `STEP_OVER`)."""
    if typed in _QUOTES and typed not in language.quotes:
        return Typed(typed)
    if typed in _CLOSING and after.startswith(typed) and (typed not in _QUOTES or _is_open_quote(typed, before)):
        return STEP_OVER
    if typed in PAIRS and _may_pair(typed, before, after):
        return Typed(typed + PAIRS[typed], back=1)
    return Typed(typed)


def is_empty_pair(before: str, after: str) -> bool:
    """True between an opening and its closing character, which Backspace deletes together."""
    return bool(before) and bool(after) and PAIRS.get(before[-1]) == after[0]


def toggle_comment(lines: Sequence[str], language: Language) -> list[str]:
    """Comment the lines out, or in again when all of them (but for empty ones) are comments."""
    mark = language.comment
    if not mark:
        return list(lines)
    opening, closing = mark if isinstance(mark, tuple) else (mark, "")
    full = [line for line in lines if line.strip()]
    if full and all(_is_commented(line, opening, closing) for line in full):
        return [_uncommented(line, opening, closing) for line in lines]
    depth = min((len(indentation_of(line)) for line in full), default=0)
    end = f" {closing}" if closing else ""
    return [f"{line[:depth]}{opening} {line[depth:]}{end}" if line.strip() else line for line in lines]


def _may_pair(typed: str, before: str, after: str) -> bool:
    if after[:1] and not (after[0].isspace() or after[0] in ")]},;:"):
        return False
    if typed in _QUOTES:
        return not (before[-1:].isalnum() or before.endswith(typed) or _is_open_quote(typed, before))
    return True


def _is_open_quote(quote: str, before: str) -> bool:
    return before.replace("\\" + quote, "").count(quote) % 2 == 1


def _is_commented(line: str, opening: str, closing: str) -> bool:
    stripped = line.strip()
    return stripped.startswith(opening) and stripped.endswith(closing)


def _uncommented(line: str, opening: str, closing: str) -> str:
    if not line.strip():
        return line
    depth = indentation_of(line)
    rest = line[len(depth) :].removeprefix(opening).removeprefix(" ")
    return depth + (rest.rstrip().removesuffix(closing).removesuffix(" ") if closing else rest)
