"""What stays the same between two completions: the windows, so that a prompt grows only at its end while someone types.

A session belongs to one buffer or one client. It also decides how much of the prompt can be read now, and has the rest
read in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from localcoder.code.repository import Place, place_of
from localcoder.completion.alignment import align
from localcoder.completion.context.likeness import near_lines
from localcoder.completion.context.snippets import CONTEXT_SHARE, HEAD_SHARE, choose_head, choose_snippets
from localcoder.completion.document import Document, Snippet
from localcoder.completion.layout import LayoutName, fim_prompt, repository_head
from localcoder.completion.window import (
    CHARACTERS_PER_TOKEN,
    Window,
    choose_window,
    move_between,
    move_window,
    shows_enough,
    whole_window,
)
from localcoder.engine.api import Engine, ModelInfo
from localcoder.errors import LocalcoderError

_SHRINK = 0.95
"""Chosen: a second guess at the characters of a window aims a little below the budget, so that there is no third."""
_WELL_FILLED = 0.85
"""Of its budget, the part that a window has to use if there is more text."""
_UNSURE = 1.3
"""How far a guess at the tokens of a whole text may be beyond the budget before it is worth counting them."""
_MARGIN = 0.85
"""Of the time to the first token, the share that reading may take; the rest is for the token itself."""
SMALLEST_QUICK_TOKENS = 24
"""Chosen: two or three lines, a second on two cores with a 3B."""
WORTH_EXACT_TOKENS = 16
"""Tokens of a prompt that may be approximate before it is read again in the background."""
GROWTH = 1.25
"""How far a window may grow beyond its budget before a new one is chosen."""
STAGE, SMALL_STAGE = 1.5, 1.75
"""How many times the tokens of a window the next one has at most while reading ahead, and while it has at most
`SMALL_TOKENS`: there a batch costs more than its tokens. Chosen with `stages.py`, a 3B on two cores: at any time the
answer rests on about half of what could have been read, or more."""
SMALL_TOKENS = 128
_STAGE_COSTS_TOKENS = 4
"""Tokens that a request may read more than it would with the smaller window."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a prompt. `first_token_s` None: read all of it, however long it takes."""

    max_prompt_tokens: int
    max_tokens: int
    first_token_s: float | None


@dataclass(frozen=True)
class Plan:
    """The ids to read for this completion, and those to read in the background for the next ones.

    `full` is the window of the latter.
    """

    ids: tuple[int, ...]
    window: Window
    full: Window
    background_ids: tuple[int, ...] | None = None
    forced: bytes = b""
    """What the first tokens have to begin with: the end of the text before the cursor, taken off the ids."""


class PromptSession:
    """`slides`: the client sends a window of its own, so text that it no longer sends may still be in the file."""

    def __init__(self, *, slides: bool = False) -> None:
        self._slides = slides
        self._document: Document | None = None
        """What it was last asked about. The windows are windows of it."""
        self._full: Window | None = None
        self._quick: Window | None = None
        self._next: Window | None = None
        """The one that is to take the quick one's place as soon as it is read."""
        self._fit: _Fit | None = None
        self._snippets: tuple[Snippet, ...] = ()
        """Those of the last prompt, in their order."""
        self._is_alone = True
        self._background: asyncio.Task[None] | None = None

    def likeness(self, document: Document) -> float:
        """The part of this document, or of the one last asked about if it is longer, that both have: 0 to 1."""
        if self._document is None:
            return 0.0
        same = align(self._document.text, document.text, document.cursor, slides=self._slides)
        return (same.before + same.after) / max(len(self._document.text), len(document.text), 1)

    def another_was_asked(self) -> None:
        """Another session had a request since the last one, maybe about the same file.

        What the client no longer sends may have been changed there.
        """
        self._is_alone = False

    async def plan(
        self, document: Document, engine: Engine, model: ModelInfo, layout: LayoutName, limits: Limits
    ) -> Plan:
        """Choose the prompt: the whole window if it can be read in time, else the lines nearest to the cursor.

        In the anchored layout the cursor stands inside the middle, where the model has only seen words cut as its
        tokenizer cuts them: the last token of a word that was begun is taken off and healed. In the others the cut
        is where the prefix ends, and those were trained at any character.
        """
        # From here on nothing changes in the cache until the request is made.
        await self.stop_reading()
        plan = await self._choose(document, engine, model, layout, limits)
        typed = plan.window.prefix[plan.window.anchor :]
        if layout != "anchored" or not _ends_in_word(typed):
            return plan
        (last,) = await engine.pieces(plan.ids[-1:])
        return replace(plan, ids=plan.ids[:-1], forced=last)

    def _follow(self, document: Document, head: tuple[Snippet, ...]) -> None:
        """Take the windows over to this document, as far as their text still stands in it."""
        if self._document is not None:
            windows = (self._full, self._quick, self._next)
            unsent = max((window.unsent for window in windows if window), key=len, default="")
            keeps, self._is_alone = self._is_alone, True
            move = move_between(self._document, document, unsent=unsent, slides=self._slides, keeps=keeps)
            has_first_snippets = document.snippets and not self._document.snippets
            if has_first_snippets or (self._full is not None and self._full.head != head):
                # Other pieces of other files: what is read already serves until they are, too.
                self._quick, self._full = self._quick or self._full, None
            self._full = move_window(self._full, move) if self._full else None
            self._quick = move_window(self._quick, move) if self._quick else None
            self._next = move_window(self._next, move) if self._next else None
        self._document = document

    async def _choose(
        self, document: Document, engine: Engine, model: ModelInfo, layout: LayoutName, limits: Limits
    ) -> Plan:
        """The prompt of the full window, which is as large as the budget allows, or of the quick one within it.

            line 1 … [ line 60 … { line 190 … | … line 210 } … line 260 ] … line 300

        The full one, `[ ]`, is read at once if most of it is in the KV cache already. When that would take longer than
        `first_token_s`, the quick one, `{ }`, answers now, and it grows in the background until it is the full one.
        """
        most = max(model.n_ctx_train - limits.max_tokens, model.n_ctx_train // 2)
        largest = min(limits.max_prompt_tokens, most)
        head = choose_head(document.head, int(largest * CHARACTERS_PER_TOKEN * HEAD_SHARE))
        self._follow(document, head)
        last_full, last_quick, last_next = self._full, self._quick, self._next
        fit = self._fit = _Fit(document, engine, model, layout, head)
        limit = min(int(largest * GROWTH), most)
        ids, full = await fit.ids(largest, last_full, limit, pinned=self._snippets)
        plan, quick = Plan(ids, full, full), last_quick
        if limits.first_token_s is not None:
            estimate = await engine.estimate(ids)
            budget_s = limits.first_token_s * _MARGIN
            if estimate.seconds <= budget_s:
                quick = None
                plan = Plan(ids, full, full, ids if estimate.approximate > WORTH_EXACT_TOKENS else None)
            else:
                affordable = max(SMALLEST_QUICK_TOKENS, int(estimate.tokens_per_s * budget_s))
                quick_ids, quick = await fit.quick_ids(affordable, (last_next, last_quick), limit, budget_s)
                plan = Plan(quick_ids, quick, full, ids)
        # Unless another request has overtaken this one.
        if self._document is document:
            self._full, self._quick, self._snippets = full, quick, full.snippets
        return plan

    def read_on(self, plan: Plan) -> None:
        """Read in the background what a plan leaves. The next request interrupts it and uses what has been read."""
        if self._fit is not None and self._fit.document is self._document:
            self._background = asyncio.create_task(self._read_on(self._fit, plan))

    def read_ids(self, engine: Engine, ids: Sequence[int]) -> None:
        """Read these in the background."""

        async def read() -> None:
            with suppress(LocalcoderError):
                await engine.warm(ids)

        self._background = asyncio.create_task(read())

    async def _read_on(self, fit: _Fit, plan: Plan) -> None:
        """Have the quick window grow, stage by stage, and at last read the full one's text in its right order.

            tokens   24 | 42 | 73 | 128 | 192 | … | 1,530 | 2,300

        Each stage reads the text that it shows more, around that of the last one, whose cells are kept and shifted:
        an approximation, until they are read again in their place.
        """
        # Reading ahead is a favour: whoever asks next is told what is wrong.
        with suppress(LocalcoderError):
            engine, full_ids = fit.engine, plan.background_ids or plan.ids
            ids, window = plan.ids, plan.window
            if window is not plan.full:
                await engine.warm(ids, exact=False)
            while window is not plan.full:
                read = len(ids)
                size = int(read * (STAGE if read > SMALL_TOKENS else SMALL_STAGE))
                if size < len(full_ids) and window.is_cut:
                    # Where the request took the next window as it was, another one comes after it.
                    begun = self._next if self._next != window else None
                    ids, window = await fit.ids(size, begun, int(size * GROWTH))
                if size >= len(full_ids) or len(ids) <= read:
                    # What is left is pieces of other files, or no more than a stage.
                    ids, window = full_ids, plan.full
                self._next = window
                await engine.warm(ids, exact=False)
                if (await engine.estimate(ids)).unread > WORTH_EXACT_TOKENS:
                    # Something else is wanted more.
                    return
                self._quick, self._next = window, None
            await engine.warm(full_ids)

    async def stop_reading(self) -> None:
        """End what is read in the background; what was read stays."""
        if self._background is not None:
            self._background.cancel()
            await self.finish_reading()

    async def finish_reading(self) -> None:
        """Wait until nothing is read in the background any more."""
        task, self._background = self._background, None
        if task is not None:
            await asyncio.wait({task})


def _ends_in_word(text: str) -> bool:
    return text[-1:].isalnum() or text[-1:] == "_"


@dataclass(frozen=True)
class _Fit:
    """Windows of one document as ids, in bounds that are counted in tokens."""

    document: Document
    engine: Engine
    model: ModelInfo
    layout: LayoutName
    head: tuple[Snippet, ...]

    async def ids(
        self, budget: int, previous: Window | None, limit: int, *, pinned: Sequence[Snippet] | None = None
    ) -> tuple[tuple[int, ...], Window]:
        """The previous window, while it has at most `limit` tokens and shows enough, else a new one of `budget`.

        With a budget of 100 tokens and a limit of 125, when 5 tokens are typed in between:

            request           1     2    …    6     7     8
            tokens           99   104   …  124    98   103
            first line       32    32        32    64    64     the step to 64 is the one time that all is read again

        A text that fits the budget goes in whole. A window that goes on keeps the snippets that it began with; it ends
        when one of them is no longer sent. `pinned` are the last prompt's; None: nothing of other files is wanted.
        """
        if previous is not None and set(previous.snippets) <= set(self.document.snippets):
            ids = await self._tokenize(previous)
            if len(ids) <= limit and shows_enough(previous, self.document, previous.size * budget // len(ids)):
                return await self._whole_if_it_fits(ids, previous, budget)
        return await self._whole_if_it_fits(*await self._new(budget, pinned), budget)

    async def quick_ids(
        self, budget: int, previous: Sequence[Window | None], limit: int, seconds: float
    ) -> tuple[tuple[int, ...], Window]:
        """The first of the previous windows that costs hardly more than the smallest, and is read in time.

        Else a new one of `budget` tokens.
        """
        found = []
        for window in filter(None, previous):
            ids, chosen = await self.ids(budget, window, limit)
            estimate = await self.engine.estimate(ids)
            if estimate.seconds <= seconds:
                found.append((estimate.unread, ids, chosen))
        least = min((unread for unread, _, _ in found), default=0)
        for unread, ids, chosen in found:
            if unread <= least + _STAGE_COSTS_TOKENS:
                return ids, chosen
        return await self.ids(budget, None, budget)

    async def _new(self, budget: int, pinned: Sequence[Snippet] | None) -> tuple[tuple[int, ...], Window]:
        characters = int(budget * CHARACTERS_PER_TOKEN)
        whole_head = Window("", "", 0, 0, head=self.head if pinned is not None else ())
        may_grow = True
        while True:
            elsewhere = whole_head
            if pinned is not None:
                left = int(characters * CONTEXT_SHARE) - elsewhere.size
                chosen = choose_snippets(self.document.snippets, pinned, left, near=near_lines(self.document))
                elsewhere = replace(elsewhere, snippets=chosen)
            window = choose_window(self.document, characters - elsewhere.size)
            window = replace(window, head=elsewhere.head, snippets=elsewhere.snippets)
            ids = await self._tokenize(window)
            fill = len(ids) / budget
            beyond_head = characters - whole_head.size
            if fill > 1 and beyond_head > 1:
                # The head keeps its size: what is left is not to be taken from the text alone.
                characters = whole_head.size + int(beyond_head / fill * _SHRINK)
            elif fill < _WELL_FILLED and window.is_cut and may_grow:
                # The guess of characters a token was low for this text.
                characters = int(characters / fill * _SHRINK)
            else:
                return ids, window
            may_grow = False

    async def _whole_if_it_fits(
        self, ids: tuple[int, ...], window: Window, budget: int
    ) -> tuple[tuple[int, ...], Window]:
        """This window, or one with all of the document in the place of its part."""
        whole = replace(whole_window(self.document), head=window.head, snippets=window.snippets)
        if not window.is_cut or len(ids) * whole.size > budget * window.size * _UNSURE:
            return ids, window
        whole_ids = await self._tokenize(whole)
        return (whole_ids, whole) if len(whole_ids) <= budget else (ids, window)

    async def _tokenize(self, window: Window) -> tuple[int, ...]:
        snippets = [f"{snippet.path}\n{snippet.text}" for snippet in (*window.head, *window.snippets)]
        place = Place("", PurePosixPath())
        if self.document.path is not None and self.model.special.file_sep is not None:
            place = place_of(self.document.path)
        path = f"{place.path}\n" if place.path.name and (snippets or place.repository) else ""
        anchor = window.anchor if self.layout == "anchored" else len(window.prefix)
        texts = [place.repository, path + window.prefix[:anchor], window.prefix[anchor:], window.suffix, *snippets]
        repository, prefix, typed, suffix, *files = await self.engine.tokenize(texts)
        head = repository_head(repository, files, self.model.special)
        return head + fim_prompt(self.layout, prefix, suffix, self.model.special, typed)
