"""One of many by some letters of it: files, symbols, buffers. What there is may still be coming in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from localcoder.tui.text.display import drawable
from localcoder.tui.text.ranking import Ranked

_MOST_SHOWN = 100
"""Chosen: who does not find it among these types one more letter."""
_BATCH_S = 0.1
"""Chosen: a list that is seen to grow, and is ranked ten times a second at most."""
_PATIENCE_S = 5.0
"""Chosen: who types ahead of the list waits so long for its end; then the best of what is there is taken."""


class QuickPick(ModalScreen[int | None]):
    """Gives the index of a label in `ranked`, or None.

    `more` yields labels that are found while the screen is open: it is gone through in threads.
    `detail` says something more of a label by its index. `things` is what they are, in the plural.
    """

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close"),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("down,ctrl+p", "move(1)", "Down", show=False, priority=True),
        Binding("pageup", "move(-10)", "Page up", show=False, priority=True),
        Binding("pagedown", "move(10)", "Page down", show=False, priority=True),
    ]

    def __init__(
        self,
        prompt: str,
        things: str,
        ranked: Ranked,
        *,
        more: Iterable[str] = (),
        detail: Callable[[int], str] = lambda index: "",
    ) -> None:
        super().__init__()
        self._prompt = prompt
        self._things = things
        self.ranked = ranked
        self._more = more
        self._detail = detail
        self._all_read = asyncio.Event()
        self._rankings = 0
        self._found: list[int] = []
        self._shown_for: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Input(placeholder=self._prompt, compact=True)
            choices = OptionList(markup=False)
            choices.can_focus = False
            yield choices
            yield Static(id="count", markup=False)

    def on_mount(self) -> None:
        self._read()

    @property
    def typed(self) -> str:
        """What is looked for."""
        return self.query_one(Input).value

    def wanted(self, typed: str) -> str:
        """What of the typed text is to be found in a label."""
        return typed

    def action_move(self, by: int) -> None:
        choices = self.query_one(OptionList)
        if choices.option_count:
            here = choices.highlighted or 0
            last = choices.option_count - 1
            # One step goes around the ends, a page stops there.
            choices.highlighted = (here + by) % (last + 1) if abs(by) == 1 else min(max(here + by, 0), last)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._rank(event.value)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index])

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if self._shown_for != event.value:
            # Keys that come now are for what is chosen.
            self.run_worker(self._choose(event.value), group="question", exclusive=True)
        elif highlighted is not None:
            self.dismiss(self._found[highlighted])

    async def _choose(self, typed: str) -> None:
        """Take the best: it was typed and asked for before anything was shown."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_read.wait(), _PATIENCE_S)
        found, _ = await asyncio.to_thread(self.ranked.best, self.wanted(typed), 1)
        if found:
            self.dismiss(found[0])

    @work(group="read")
    async def _read(self) -> None:
        more = iter(self._more)
        while batch := await asyncio.to_thread(_next_batch, more):
            self.ranked.add(batch)
            self._rank(self.typed)
        self._all_read.set()
        self._rank(self.typed)

    @work(group="rank", exclusive=True)
    async def _rank(self, typed: str) -> None:
        number = self._rankings = self._rankings + 1
        found, count = await asyncio.to_thread(
            self.ranked.best, self.wanted(typed), _MOST_SHOWN, given_up=lambda: number != self._rankings
        )
        self._show(typed, found, count)

    def _show(self, typed: str, found: list[int], count: int) -> None:
        if typed != self.typed:
            return
        choices = self.query_one(OptionList)
        # Who chose a row while the list was growing keeps it.
        here = choices.highlighted if self._shown_for == typed else None
        chosen = self._found[here] if here else None
        self._found, self._shown_for = found, typed
        choices.set_options(map(partial(self._option, self.wanted(typed)), found))
        choices.highlighted = found.index(chosen) if chosen in found else (0 if found else None)
        self.query_one("#count", Static).update(self._counted(count))

    def _option(self, query: str, index: int) -> Option:
        label = drawable(self.ranked[index])
        name = label.rfind("/") + 1
        text = Content(label).stylize("dim", 0, name)
        for place in self.ranked.marks(query, index):
            text = text.stylize("bold underline not dim", place, place + 1)
        detail = self._detail(index)
        return Option(Content.assemble(text, (f"  {drawable(detail)}" if detail else "", "dim")))

    def _counted(self, count: int) -> str:
        total = len(self.ranked)
        reading = "" if self._all_read.is_set() else ", still reading"
        return f"{count:,} of {total:,} {self._things}{reading}"


def _next_batch(more: Iterator[str]) -> list[str]:
    """What comes within a moment; nothing at the end."""
    until = time.monotonic() + _BATCH_S
    batch: list[str] = []
    for label in more:
        batch.append(label)
        if time.monotonic() > until:
            break
    return batch
