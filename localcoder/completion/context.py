"""Which pieces of other files go into the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONTEXT_SHARE = 0.5
"""Of the prompt's budget, the part that pieces of other files may take."""


@dataclass(frozen=True)
class Snippet:
    """A piece of another file. `path` is what the model is told it is called."""

    path: str
    text: str


def choose_snippets(
    snippets: Sequence[Snippet], pinned: Sequence[Snippet], budget_characters: int
) -> tuple[Snippet, ...]:
    """Snippets of at most `budget_characters`, the last ones first since clients send the newest last.

    When all that were in the last prompt are still sent, they keep their places at the beginning.
    """
    chosen = list(pinned) if set(pinned) <= set(snippets) else []
    left = budget_characters - sum(map(_size, chosen))
    added: list[Snippet] = []
    for snippet in reversed(snippets):
        if snippet not in chosen and _size(snippet) <= left:
            added.append(snippet)
            left -= _size(snippet)
    return (*chosen, *reversed(added))


def _size(snippet: Snippet) -> int:
    return len(snippet.path) + len(snippet.text) + 1
