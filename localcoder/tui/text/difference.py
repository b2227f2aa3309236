"""Two texts, and where they differ: by words, or by lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from itertools import islice

from rich.text import Text

from localcoder.tui.text.display import drawable

_STYLES = {"-": "red", "+": "green", "@": "dim"}
_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


def marked(left: str, right: str, style: str) -> tuple[Text, Text]:
    """Both texts, with `style` on what the other one does not have."""
    pieces_left, pieces_right = _PIECES.findall(left), _PIECES.findall(right)
    made_left, made_right = Text(), Text()
    matcher = difflib.SequenceMatcher(None, pieces_left, pieces_right, autojunk=False)
    for kind, start_left, end_left, start_right, end_right in matcher.get_opcodes():
        own = "" if kind == "equal" else style
        made_left.append(_shown(pieces_left[start_left:end_left]), own)
        made_right.append(_shown(pieces_right[start_right:end_right]), own)
    return made_left, made_right


def agreement(left: str, right: str) -> float:
    """How much of two texts is the same: 0 to 1, by words."""
    if left == right:
        return 1.0
    return difflib.SequenceMatcher(None, _PIECES.findall(left), _PIECES.findall(right), autojunk=False).ratio()


def changed_lines(mine: str, theirs: str) -> list[Text]:
    """The lines that only one of two texts has, marked `-` and `+`, with some lines around them."""
    lines = difflib.unified_diff(mine.split("\n"), theirs.split("\n"), lineterm="")
    # The first two name files.
    return marked_lines(islice(lines, 2, None))


def marked_lines(lines: Iterable[str]) -> list[Text]:
    """Lines of a diff, coloured by what they begin with."""
    return [Text(drawable(line), _STYLES.get(line[:1], "")) for line in lines]


def _shown(pieces: list[str]) -> str:
    return "\n".join(drawable(line) for line in "".join(pieces).split("\n"))
