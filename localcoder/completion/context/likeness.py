"""Pieces that say what stands at the cursor already: they make a model repeat it."""

from __future__ import annotations

import re

from localcoder.completion.document import Document

NEAR_LINES = 20
"""Lines before the cursor, and behind it, that a piece must not repeat."""
_TOO_LIKE = 0.5
"""Of the words of two texts, the part in common from which on one repeats the other."""
_WORD = re.compile(r"\w+")


def near_lines(document: Document) -> str:
    """The lines around the cursor."""
    before = document.prefix.splitlines()[-NEAR_LINES:]
    return "\n".join((*before, *document.suffix.splitlines()[:NEAR_LINES]))


def is_too_like(text: str, near: str) -> bool:
    """Whether two texts have more than half of their words in common (Sørensen and Dice's measure)."""
    first, second = set(_WORD.findall(text)), set(_WORD.findall(near))
    return 2 * len(first & second) > _TOO_LIKE * (len(first) + len(second))
