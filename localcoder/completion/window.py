"""Which text before and after the cursor goes into the prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from localcoder.completion.alignment import Alignment, align
from localcoder.completion.document import Document, Snippet

CHARACTERS_PER_TOKEN = 3.0
"""Characters of code a token covers, on the low side: a window guessed too small costs less than a second try."""
PREFIX_SHARE = 0.75
"""Of a window, the part before the cursor. Chosen near to the 256 lines before and 64 behind of llama.vim."""
WASTE = 0.25
"""Of the budget for the prefix, the part that may stay unused so that the window begins at a step."""
KEPT_SHARE = 0.5
"""Of what a new window may show on each side of the cursor, what one that goes on has to show."""
_STEPS_LINES = (32, 16, 8, 4, 2, 1)
"""The window begins at a line whose number is a multiple of one, so that typing and scrolling do not shift it."""
_WORTH_KEEPING = 1024
"""Characters that two windows of a client have to share before text is kept that it no longer sends."""


@dataclass(frozen=True)
class Window:
    """The text around the cursor that goes in, and how many characters on each side stay out.

    `left_out_before` is negative when the prefix begins with so many characters that the client no longer sends.
    """

    prefix: str
    suffix: str
    left_out_before: int
    left_out_after: int
    snippets: tuple[Snippet, ...] = ()
    anchor: int = 0
    """Characters of the prefix that stood there when the window was chosen: what follows was typed since."""
    head: tuple[Snippet, ...] = ()
    """What stands before the snippets."""

    @property
    def size(self) -> int:
        """Characters in all, those of other files too."""
        return len(self.prefix) + len(self.suffix) + self.size_elsewhere

    @property
    def size_elsewhere(self) -> int:
        """Characters of the head and the snippets."""
        return sum(snippet.size for snippet in (*self.head, *self.snippets))

    @property
    def is_cut(self) -> bool:
        return self.left_out_before > 0 or self.left_out_after > 0

    @property
    def unsent(self) -> str:
        """What of the prefix the client no longer sends."""
        return self.prefix[: max(0, -self.left_out_before)]


def whole_window(document: Document) -> Window:
    return Window(document.prefix, document.suffix, 0, 0, anchor=document.cursor)


def choose_window(document: Document, budget_characters: int) -> Window:
    """Text around the cursor of at most `budget_characters`, three quarters of it before the cursor if there is enough.

    What one side does not need goes to the other. The prefix begins at a line start, in steps; the suffix ends at one.
    """
    before, after = document.prefix, document.suffix
    prefix_budget, suffix_budget = _shares(document, budget_characters)
    start = _start(before, prefix_budget)
    end = _end(after, suffix_budget)
    return Window(before[start:], after[:end], start, len(after) - end, anchor=len(before) - start)


def _shares(document: Document, budget: int) -> tuple[int, int]:
    """Characters that may go in before and after the cursor."""
    before = max(int(budget * PREFIX_SHARE), budget - len(document.text) + document.cursor)
    return before, budget - min(before, document.cursor)


def _start(before: str, budget: int) -> int:
    """Offset of the first line that leaves at most `budget` characters and whose number is a multiple of a step.

    The step is the largest that wastes no more than a part of the budget.
    """
    earliest = len(before) - budget
    if earliest <= 0:
        return 0
    first = before.find("\n", earliest - 1) + 1
    if first > 0:
        number = before.count("\n", 0, first)
        starts = [first, *(first + match.end() for match in re.finditer("\n", before[first:]))]
        for step in _STEPS_LINES:
            at_a_step = starts[-number % step :: step]
            if at_a_step and at_a_step[0] - earliest <= budget * WASTE:
                return at_a_step[0]
    # Inside a line that is longer than what may be wasted.
    step = max(1, int(budget * WASTE))
    return min(len(before), -(-earliest // step) * step)


def _end(after: str, budget: int) -> int:
    """Offset behind the last line that fits, or inside a line that is too long for that to be half of the budget."""
    if len(after) <= budget:
        return len(after)
    end = after.rfind("\n", 0, max(budget, 0)) + 1
    return end if end >= KEPT_SHARE * budget else budget


def shows_enough(window: Window, document: Document, budget_characters: int) -> bool:
    """Whether a window that went on shows so much that a new one of this budget would not be much better."""
    budget = budget_characters - window.size_elsewhere
    before, after = _shares(document, budget)
    return (window.left_out_before <= 0 or len(window.prefix) >= KEPT_SHARE * before) and (
        window.left_out_after <= 0 or len(window.suffix) >= KEPT_SHARE * after
    )


@dataclass(frozen=True)
class Move:
    """How one document became the next: `alignment` is that of `unsent` + `old.text` with `new.text`.

    `unsent` is what stood in front of the old document and was sent before that. `has_slid`: it still stands in front
    of the new one, and so does what the client no longer sends of the old one.
    """

    old: Document
    new: Document
    unsent: str
    alignment: Alignment
    has_slid: bool


def move_between(old: Document, new: Document, *, unsent: str = "", slides: bool = False, keeps: bool = True) -> Move:
    """With `slides`, the client sends a window of its own, which may slide over the file.

    With `keeps`, what it no longer sends is taken to be there still, if that is all that can have happened.
    """
    alignment = align(unsent + old.text, new.text, new.cursor, slides=slides)
    return Move(old, new, unsent, alignment, slides and keeps and _has_slid(old, new, unsent, alignment))


def _has_slid(old: Document, new: Document, unsent: str, alignment: Alignment) -> bool:
    """Whether the client left out its first lines because others were typed at the cursor.

    They could as well have been deleted. So what follows the cursor has to be what followed it; what precedes it has
    to have as many lines as before, or as many characters: the most that this client sends; and all of it but for
    what was typed has to be found in the old text, at one place only.
    """
    known, shared = unsent + old.text, new.prefix[: alignment.before]
    return (
        new.suffix == old.suffix
        and not _sizes(old.prefix).isdisjoint(_sizes(new.prefix))
        and alignment.new_start == 0
        and len(shared) >= max(_WORTH_KEEPING, len(new.prefix) // 2)
        and alignment.old_start + len(shared) <= len(unsent) + old.cursor
        and known.find(shared, alignment.old_start + 1) < 0
    )


def _sizes(prefix: str) -> set[tuple[str, int]]:
    whole_lines = prefix.count("\n")
    lines = whole_lines + (not prefix.endswith("\n"))
    return {("whole lines", whole_lines), ("lines", lines), ("characters", len(prefix))}


def move_window(previous: Window, move: Move) -> Window | None:
    """The same span of the text in the new document, or None when one of its ends is gone or the cursor is outside.

    The span below is `[…]`, the cursor `|`. All that is between its ends comes from the new document:

        old   import os [def f():    return 1|def g(): pass ]def h(): pass
        new   import os [def f(x):    return x|def g(): pass ]def h(): pass

    When a client slides its window, the span keeps the first lines, which the new document lacks:

        old              [def f():    return 1|def g(): pass ]def h(): pass
        new   [def f():]      return 1 + 2    |def g(): pass ]def h(): pass
    """
    document, alignment = move.new, move.alignment
    old_start = previous.left_out_before + len(move.unsent)
    start: int | None
    if old_start < alignment.old_start:
        start = old_start - alignment.old_start if move.has_slid else None
    else:
        start = alignment.place_of_start(old_start)
    end = alignment.place_of_end(len(move.unsent) + len(move.old.text) - previous.left_out_after)
    if start is None or end is None or not start <= document.cursor <= end:
        return None
    unsent = previous.prefix[: max(0, -start)]
    prefix = unsent + document.text[max(0, start) : document.cursor]
    suffix = document.text[document.cursor : end]
    goes_on = suffix == previous.suffix and prefix.startswith(previous.prefix[: previous.anchor])
    return replace(
        previous,
        prefix=prefix,
        suffix=suffix,
        left_out_before=start,
        left_out_after=len(document.text) - end,
        anchor=previous.anchor if goes_on else len(prefix),
    )
