"""Which text before and after the cursor goes into the prompt."""

from __future__ import annotations

from dataclasses import dataclass

from localcoder.completion.document import Document

CHARACTERS_PER_TOKEN = 3.0
"""Characters of code a token covers, on the low side: a window guessed too small costs less than a second try."""
PREFIX_SHARE = 0.75
STEP_LINES = 32
"""The window begins at a line whose number is a multiple of this, so that typing and scrolling do not shift it."""
_HEAD = 160
"""Characters by which the beginning of a window is recognised."""
STEPS = 4
"""A line that is longer than the window begins in it at a multiple of the window's length over this."""


@dataclass(frozen=True)
class Window:
    """The text around the cursor that goes in, and how many characters on each side stay out."""

    prefix: str
    suffix: str
    left_out_before: int
    left_out_after: int


def choose_window(document: Document, budget_characters: int) -> Window:
    """Text around the cursor of at most `budget_characters`, three quarters of it before the cursor if there is enough.

    What one side does not need goes to the other. The prefix begins at a line start, in steps; the suffix ends at one.
    """
    before, after = document.prefix, document.suffix
    prefix_budget = max(int(budget_characters * PREFIX_SHARE), budget_characters - len(after))
    suffix_budget = budget_characters - min(prefix_budget, len(before))
    start = _start(before, prefix_budget)
    end = _end(after, suffix_budget)
    return Window(before[start:], after[:end], start, len(after) - end)


def _start(before: str, budget: int) -> int:
    """Offset of the first step line that leaves at most `budget` characters."""
    earliest = len(before) - budget
    if earliest <= 0:
        return 0
    offset = 0
    for number, line in enumerate(before.split("\n")):
        if offset >= earliest and number % STEP_LINES == 0:
            return offset
        offset += len(line) + 1
    # The last lines fill the budget before a step is reached: any line start, else a step of characters.
    newline = before.find("\n", earliest - 1)
    if newline >= 0:
        return newline + 1
    step = max(1, budget // STEPS)
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
        return Window(before[start:], previous.suffix, start, left_out_after)
    if len(head) == _HEAD and (start := before.rfind(head)) >= 0:
        return Window(before[start:], previous.suffix, start, left_out_after)
    if slides and len(before) >= _HEAD and (dropped := previous.prefix.find(before[:_HEAD])) > 0:
        return Window(previous.prefix[:dropped] + before, previous.suffix, 0, left_out_after)
    return None
