"""What stays the same between two completions: the windows, so that a prompt grows only at its end while someone types.

A session belongs to one buffer or one client. It also decides how much of the prompt can be read now, and has the rest
read in the background.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from localcoder.completion.context import CONTEXT_SHARE, choose_snippets
from localcoder.completion.document import Document
from localcoder.completion.layout import LayoutName, fim_prompt, repository_head
from localcoder.completion.window import CHARACTERS_PER_TOKEN, Window, choose_window, continue_window, move_window
from localcoder.engine.api import Engine, ModelInfo
from localcoder.errors import LocalcoderError

_CONTROL_TOKENS = 3
_SHRINK = 0.95
_WELL_FILLED = 0.85
"""Of its budget, the part that a window has to use if there is more text."""
_MARGIN = 0.85
"""Of the time to the first token, the share that reading may take; the rest is for the token itself."""
SMALLEST_NEAR_TOKENS = 24
WORTH_EXACT_TOKENS = 16
"""Tokens of a prompt that may be approximate before it is read again in the background."""
GROWTH = 1.25
"""How far a window may grow beyond its budget before a new one is chosen."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a prompt. `first_token_s` None: read all of it, however long it takes."""

    max_prompt_tokens: int
    max_tokens: int
    first_token_s: float | None


@dataclass(frozen=True)
class Plan:
    """The ids to read for this completion, and those to read in the background for the next ones."""

    ids: tuple[int, ...]
    window: Window
    later: tuple[int, ...] | None = None
    forced: bytes = b""
    """What the first tokens have to begin with: the end of the text before the cursor, taken off the ids."""


class Session:
    """`slides`: the client sends a window of its own, so text that it no longer sends may still be in the file."""

    def __init__(self, *, slides: bool = False) -> None:
        self._slides = slides
        self._far: Window | None = None
        self._near: Window | None = None
        self._background: asyncio.Task[None] | None = None

    def continues(self, document: Document) -> bool:
        """Whether this document is the one that the session was last asked about, typed on."""
        windows = [window for window in (self._far, self._near) if window is not None]
        return any(continue_window(window, document, slides=self._slides) for window in windows)

    def moves(self, document: Document) -> bool:
        """Whether this document is the one that the session was last asked about, with the cursor elsewhere."""
        return self._far is not None and move_window(self._far, document, slides=self._slides) is not None

    async def plan(
        self, document: Document, engine: Engine, model: ModelInfo, layout: LayoutName, limits: Limits
    ) -> Plan:
        """Choose the prompt: the whole window if it can be read in time, else the lines nearest to the cursor.

        In the anchored layout the cursor stands inside the middle, where the model has only seen words cut as its
        tokenizer cuts them: the last token of a word that was begun is taken off and healed. In the others the cut
        is where the prefix ends, and those were trained at any character.
        """
        plan = await self._choose(document, engine, model, layout, limits)
        typed = plan.window.prefix[plan.window.anchor :]
        if layout != "anchored" or not _ends_in_word(typed):
            return plan
        (last,) = await engine.pieces(plan.ids[-1:])
        return replace(plan, ids=plan.ids[:-1], forced=last)

    async def _choose(
        self, document: Document, engine: Engine, model: ModelInfo, layout: LayoutName, limits: Limits
    ) -> Plan:
        most = max(model.n_ctx_train - limits.max_tokens, model.n_ctx_train // 2)
        fit = _Fit(document, engine, model, layout, self._slides)
        largest = min(limits.max_prompt_tokens, most)
        if self._far is not None and document.snippets and not self._far.snippets:
            # The first pieces of other files: what is read already serves until they are, too.
            self._near, self._far = self._far, None
        far, self._far = await fit.ids(largest, self._far, min(int(largest * GROWTH), most))
        if limits.first_token_s is None:
            return Plan(far, self._far)
        estimate = await engine.estimate(far)
        budget_s = limits.first_token_s * _MARGIN
        if estimate.seconds <= budget_s:
            self._near = None
            return Plan(far, self._far, far if estimate.approximate > WORTH_EXACT_TOKENS else None)
        affordable = max(SMALLEST_NEAR_TOKENS, int(estimate.tokens_per_s * budget_s))
        near, window = await fit.ids(affordable, self._near, largest, context=False)
        if self._near is not None and (await engine.estimate(near)).seconds > budget_s:
            near, window = await fit.ids(affordable, None, affordable, context=False)
        self._near = window
        return Plan(near, window, far)

    def read_ahead(self, engine: Engine, ids: tuple[int, ...]) -> None:
        """Read these ids in the background. The next request interrupts it and uses what has been read."""
        self._background = asyncio.create_task(_warm(engine, ids))

    async def close(self) -> None:
        """Wait until nothing is read in the background any more; `engine.cancel()` makes that soon."""
        if self._background is not None:
            await self._background


def _ends_in_word(text: str) -> bool:
    return text[-1:].isalnum() or text[-1:] == "_"


async def _warm(engine: Engine, ids: tuple[int, ...]) -> None:
    # Reading ahead is a favour: whoever asks next is told what is wrong.
    with suppress(LocalcoderError):
        await engine.warm(ids)


@dataclass(frozen=True)
class _Fit:
    """Windows of one document as ids, in bounds that are counted in tokens."""

    document: Document
    engine: Engine
    model: ModelInfo
    layout: LayoutName
    slides: bool

    async def ids(
        self, budget: int, previous: Window | None, limit: int, *, context: bool = True
    ) -> tuple[tuple[int, ...], Window]:
        """Continue the previous window, or move the cursor in it, while it has at most `limit` tokens.

        Else choose a new one of `budget`.

        A window that goes on keeps the snippets that it began with; without `context` there are none.
        """
        if previous is not None:
            window = continue_window(previous, self.document, slides=self.slides)
            window = window or move_window(previous, self.document, slides=self.slides)
            if window is not None:
                ids = await self._tokenize(window)
                if len(ids) <= limit:
                    return ids, window
        characters = int(budget * CHARACTERS_PER_TOKEN)
        pinned = previous.snippets if previous is not None else ()
        may_grow = True
        while True:
            snippets = (
                choose_snippets(self.document.snippets, pinned, int(characters * CONTEXT_SHARE)) if context else ()
            )
            taken = sum(len(snippet.path) + len(snippet.text) + 1 for snippet in snippets)
            window = replace(choose_window(self.document, characters - taken), snippets=snippets)
            ids = await self._tokenize(window)
            fill = len(ids) / budget
            is_cut = window.left_out_before > 0 or window.left_out_after > 0
            if fill > 1 and characters > 1:
                characters = int(characters / fill * _SHRINK)
            elif fill < _WELL_FILLED and is_cut and may_grow:
                # The guess of characters a token was low for this text.
                characters = int(characters / fill * _SHRINK)
            else:
                return ids, window
            may_grow = False

    async def _tokenize(self, window: Window) -> tuple[int, ...]:
        snippets = [f"{snippet.path}\n{snippet.text}" for snippet in window.snippets]
        path = f"{self.document.path.name}\n" if snippets and self.document.path is not None else ""
        anchor = window.anchor if self.layout == "anchored" else len(window.prefix)
        texts = [path + window.prefix[:anchor], window.prefix[anchor:], window.suffix, *snippets]
        prefix, typed, suffix, *files = await self.engine.tokenize(texts)
        head = repository_head((), files, self.model.special)
        return head + fim_prompt(self.layout, prefix, suffix, self.model.special, typed)
