"""Which text before and after the cursor goes into the prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from localcoder.completion.context import Snippet
from localcoder.completion.document import Document

CHARACTERS_PER_TOKEN = 3.0
"""Characters of code a token covers, on the low side: a window guessed too small costs less than a second try."""
PREFIX_SHARE = 0.75
WASTE = 0.25
"""Of the budget for the prefix, the part that may stay unused so that the window begins at a step."""
_STEPS_LINES = (32, 16, 8, 4, 2, 1)
"""The window begins at a line whose number is a multiple of one, so that typing and scrolling do not shift it."""
_HEAD = 160
"""Characters by which the beginning and the end of a window are recognised."""
_LEAST_BEFORE, _LEAST_AFTER = 0.375, 0.125
"""Of a window's text, what has to stand before and after the cursor if more of it stays out: half the shares."""


@dataclass(frozen=True)
class Window:
    """The text around the cursor that goes in, and how many characters on each side stay out."""

    prefix: str
    suffix: str
    left_out_before: int
    left_out_after: int
    snippets: tuple[Snippet, ...] = ()
    anchor: int = 0
    """Characters of the prefix that stood there when the window was chosen: what follows was typed since."""


def choose_window(document: Document, budget_characters: int) -> Window:
    """Text around the cursor of at most `budget_characters`, three quarters of it before the cursor if there is enough.

    What one side does not need goes to the other. The prefix begins at a line start, in steps; the suffix ends at one.
    """
    before, after = document.prefix, document.suffix
    prefix_budget = max(int(budget_characters * PREFIX_SHARE), budget_characters - len(after))
    suffix_budget = budget_characters - min(prefix_budget, len(before))
    start = _start(before, prefix_budget)
    end = _end(after, suffix_budget)
    return Window(before[start:], after[:end], start, len(after) - end, anchor=len(before) - start)


def _start(before: str, budget: int) -> int:
    """Offset of the first line that leaves at most `budget` characters and whose number is a multiple of a step.

    The step is the largest that wastes no more than a part of the budget.
    """
    earliest = len(before) - budget
    if earliest <= 0:
        return 0
    starts = [0, *(match.end() for match in re.finditer("\n", before))]
    candidates = [(number, start) for number, start in enumerate(starts) if start >= earliest]
    for step in _STEPS_LINES:
        for number, start in candidates:
            if number % step == 0 and start - earliest <= budget * WASTE:
                return start
    # Inside a line that is longer than what may be wasted.
    step = max(1, int(budget * WASTE))
    return min(len(before), -(-earliest // step) * step)


def _end(after: str, budget: int) -> int:
    if len(after) <= budget:
        return len(after)
    newline = after.rfind("\n", 0, max(budget, 0))
    return newline + 1 if newline >= 0 else max(budget, 0)


def continue_window(previous: Window, document: Document, *, slides: bool = False) -> Window | None:
    """The window that begins and ends where `previous` did, or None when the text there has changed.

    With `slides`, a document that begins in the middle of the previous prefix is taken for the same text of which the
    client no longer sends the first lines: they stay in.
    """
    if not document.suffix.startswith(previous.suffix):
        return None
    before, left_out_after = document.prefix, len(document.suffix) - len(previous.suffix)
    head = previous.prefix[:_HEAD]
    if before.startswith(head, previous.left_out_before):
        start = previous.left_out_before
        return replace(previous, prefix=before[start:], left_out_before=start, left_out_after=left_out_after)
    if len(head) == _HEAD and (start := before.rfind(head)) >= 0:
        return replace(previous, prefix=before[start:], left_out_before=start, left_out_after=left_out_after)
    if slides and len(before) >= _HEAD and (dropped := previous.prefix.find(before[:_HEAD])) > 0:
        prefix = previous.prefix[:dropped] + before
        return replace(previous, prefix=prefix, left_out_before=0, left_out_after=left_out_after)
    return None


def move_window(previous: Window, document: Document, *, slides: bool = False) -> Window | None:
    """The same span of text as `previous` with the cursor elsewhere in it, or None.

    None when the span's ends are not found, or when the cursor is too near to one of them. With `slides`, what the
    client no longer sends at an end of its own window stays in.
    """
    span, text, cursor = previous.prefix + previous.suffix, document.prefix + document.suffix, len(document.prefix)
    if len(span) < _HEAD:
        return None
    head, tail, before, after = span[:_HEAD], span[-_HEAD:], "", ""
    start, end = text.find(head), text.rfind(tail) + _HEAD
    if text.startswith(head, previous.left_out_before):
        start = previous.left_out_before
    if text.endswith(tail, 0, len(text) - previous.left_out_after):
        end = len(text) - previous.left_out_after
    if slides and start < 0 and (dropped := span.find(text[:_HEAD])) >= 0:
        start, before = 0, span[:dropped]
    if slides and end < _HEAD and (kept := span.rfind(text[-_HEAD:])) >= 0:
        end, after = len(text), span[kept + _HEAD :]
    if start < 0 or end < _HEAD or not start <= cursor <= end:
        return None
    prefix, suffix = before + text[start:cursor], text[cursor:end] + after
    left_out_before, left_out_after = start, len(text) - end
    size = len(prefix) + len(suffix)
    if (left_out_before and len(prefix) < _LEAST_BEFORE * size) or (
        left_out_after and len(suffix) < _LEAST_AFTER * size
    ):
        return None
    return replace(
        previous,
        prefix=prefix,
        suffix=suffix,
        left_out_before=left_out_before,
        left_out_after=left_out_after,
        anchor=len(prefix),
    )
