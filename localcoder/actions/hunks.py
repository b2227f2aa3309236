"""What changed between two texts, hunk by hunk: to be shown, taken in parts, or given to `patch`.

Lines end at `\\n` alone, as in git; a `\\r` before it is a part of the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from localcoder.completion.edits import Edit, Range, apply_edits

_CONTEXT_LINES = 3
_NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True)
class Hunk:
    """Some edits near to one another. `lines` begin with a space, `-` or `+`, and have no line end.

    `header` says which lines of both texts they are: `@@ -3,7 +3,8 @@`.
    """

    header: str
    lines: tuple[str, ...]
    edits: tuple[Edit, ...]


def hunks_between(before: str, after: str) -> tuple[Hunk, ...]:
    """In their order; none for equal texts."""
    old, new = _lines(before), _lines(after)
    first, last = _unlike(old, new)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    found = []
    # Only near what differs: of a long file, all of it would take seconds.
    near = old[first : len(old) - last], new[first : len(new) - last]
    for opcodes in SequenceMatcher(None, *near, autojunk=False).get_grouped_opcodes(_CONTEXT_LINES):
        group = [(kind, a + first, b + first, c + first, d + first) for kind, a, b, c, d in opcodes]
        lines: list[str] = []
        edits: list[Edit] = []
        for kind, a, b, c, d in group:
            if kind == "equal":
                lines += _marked(" ", old[a:b])
                continue
            lines += [*_marked("-", old[a:b]), *_marked("+", new[c:d])]
            edits.append(Edit(Range(starts[a], starts[b]), "".join(new[c:d])))
        (_, a, _, c, _), (_, _, b, _, d) = group[0], group[-1]
        found.append(Hunk(f"@@ -{_span(a, b)} +{_span(c, d)} @@", tuple(lines), tuple(edits)))
    return tuple(found)


def take(before: str, hunks: Iterable[Hunk]) -> str:
    """The text with these hunks made in it, and no others."""
    return apply_edits(before, [edit for hunk in hunks for edit in hunk.edits])


def unified_diff(before: str, after: str, name: str, *, is_new: bool = False) -> str:
    """As `git diff` writes it and `git apply` reads it; "" for equal texts. `name` is the file's path with slashes."""
    hunks = hunks_between(before, after)
    if not hunks:
        return ""
    lines = [f"--- {'/dev/null' if is_new else f'a/{name}'}", f"+++ b/{name}"]
    for hunk in hunks:
        lines += [hunk.header, *hunk.lines]
    return "\n".join(lines) + "\n"


def _unlike(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many lines both begin and end with, without those that are context of what differs."""
    shorter = min(len(old), len(new))
    first = next((index for index in range(shorter) if old[index] != new[index]), shorter)
    rest = range(1, shorter - first + 1)
    last = next((index - 1 for index in rest if old[-index] != new[-index]), shorter - first)
    return max(first - _CONTEXT_LINES, 0), max(last - _CONTEXT_LINES, 0)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _marked(mark: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line.removesuffix("\n")
        if not line.endswith("\n"):
            yield _NO_NEWLINE


def _span(start: int, end: int) -> str:
    """git's way: an empty span is behind the line before it, and a length of 1 is left out."""
    length = end - start
    return f"{start + (length > 0)}" + ("" if length == 1 else f",{length}")
