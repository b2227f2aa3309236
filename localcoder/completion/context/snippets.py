"""Which pieces of other files go into the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from localcoder.completion.context.likeness import is_too_like
from localcoder.completion.document import Snippet

CONTEXT_SHARE = 0.5
"""Of the prompt's budget, the part that pieces of other files may take."""
HEAD_SHARE = 0.2
"""Of that budget, the part that the head may take."""


def choose_head(head: Sequence[Snippet], budget_characters: int) -> tuple[Snippet, ...]:
    """Those that fit, in their order."""
    chosen: list[Snippet] = []
    for snippet in head:
        if snippet.size <= budget_characters:
            chosen.append(snippet)
            budget_characters -= snippet.size
    return tuple(chosen)


def choose_snippets(
    snippets: Sequence[Snippet], pinned: Sequence[Snippet], budget_characters: int, *, near: str = ""
) -> tuple[Snippet, ...]:
    """Snippets of at most `budget_characters`, the last ones first since clients send the newest last.

    Those of the last prompt, `pinned`, keep their places at its beginning while they are still sent and fit. A new one
    that repeats `near`, the lines around the cursor, stays out.
    """
    chosen: list[Snippet] = []
    left = budget_characters
    for snippet in pinned:
        if snippet in snippets and snippet.size <= left:
            chosen.append(snippet)
            left -= snippet.size
    added: list[Snippet] = []
    for snippet in reversed(snippets):
        is_new = snippet not in chosen and snippet not in added
        if is_new and snippet.size <= left and not is_too_like(snippet.text, near):
            added.append(snippet)
            left -= snippet.size
    return (*chosen, *reversed(added))
