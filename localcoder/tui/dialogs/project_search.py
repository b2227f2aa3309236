"""A text in all files of the project: the lines that have it, as they are found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from localcoder.code.file_search import FileSearch, Hit
from localcoder.errors import LocalcoderError
from localcoder.tui.text.display import drawable
from localcoder.tui.text.search import Query, find_all
from localcoder.tui.widgets.switch import Switch

_BATCH_S = 0.1
"""Chosen: a list that is seen to grow, and is drawn ten times a second at most."""
_PAUSE_S = 0.3
"""Chosen: who types on within it does not set off a search for half a word."""
_PATIENCE_S = 5.0
"""Chosen: who goes to a hit before there is one waits so long for it."""
_MOST_HITS = 2_000
"""Chosen: more than anyone reads."""
_LONGEST_SHOWN = 300
"""Characters of a line that are drawn."""


class ProjectSearch(ModalScreen[Hit | None]):
    """Looks through the files of `root`, and through the texts in `unsaved` instead of the files of those names.

    Begins with `query`, at the line that `last` was found in, if that is found again.
    """

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close"),
        Binding("alt+x", "toggle_regex", "Regex", priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("down", "move(1)", "Down", show=False, priority=True),
        Binding("pageup", "move(-10)", "Page up", show=False, priority=True),
        Binding("pagedown", "move(10)", "Page down", show=False, priority=True),
    ]

    def __init__(self, root: Path, unsaved: Mapping[str, Sequence[str]], query: Query, last: Hit | None = None) -> None:
        super().__init__()
        self.query_shown = query
        """What the list is of."""
        self._root = root
        self._unsaved = unsaved
        self._last = last
        self._hits: list[Hit] = []
        self._is_complete = False
        self._problem = ""
        self._search: FileSearch | None = None
        self._has_news = asyncio.Event()

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            with Horizontal(id="top"):
                placeholder = f"Text in the files of {drawable(self._root.name)}"
                yield Input(self.query_shown.text, placeholder=placeholder, compact=True)
                yield Switch("Regex", "alt+x", is_on=self.query_shown.is_regex)
            choices = OptionList(markup=False)
            choices.can_focus = False
            yield choices
            yield Static(id="count", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).select_all()
        self._look_for(self._wanted)

    def on_unmount(self) -> None:
        self._stop()

    @property
    def _wanted(self) -> Query:
        return Query(self.query_one(Input).value, self.query_one(Switch).is_on)

    def action_toggle_regex(self) -> None:
        self.query_one(Switch).toggle()

    def action_move(self, by: int) -> None:
        choices = self.query_one(OptionList)
        if choices.option_count:
            here = (choices.highlighted or 0) + by
            choices.highlighted = min(max(here, 0), choices.option_count - 1)

    @on(Switch.Changed)
    @on(Input.Changed)
    def _changed(self) -> None:
        if self._wanted != self.query_shown:
            self._look_for(self._wanted, after_s=_PAUSE_S)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._take(event.option_index)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if self._wanted == self.query_shown and highlighted is not None:
            self._take(highlighted)
        else:
            # Keys that come now are for what is found.
            self.run_worker(self._take_first(), group="question", exclusive=True)

    async def _take_first(self) -> None:
        if self._wanted != self.query_shown:
            self._look_for(self._wanted)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._has_news.wait(), _PATIENCE_S)
        if (highlighted := self.query_one(OptionList).highlighted) is not None:
            self._take(highlighted)

    def _take(self, index: int) -> None:
        self.dismiss(self._hits[index])

    def _look_for(self, query: Query, *, after_s: float = 0.0) -> None:
        """Begin anew, with this."""
        self._stop()
        if not after_s:
            self._begin(query)
        self._go_through(query, after_s)

    def _begin(self, query: Query) -> None:
        self.query_shown, self._hits, self._problem = query, [], ""
        self._is_complete = False
        self._has_news.clear()
        self.query_one(OptionList).clear_options()
        self._count()

    def _stop(self) -> None:
        if self._search is not None:
            self._search.stop()

    @work(group="search", exclusive=True)
    async def _go_through(self, query: Query, after_s: float) -> None:
        if after_s:
            await asyncio.sleep(after_s)
            self._begin(query)
        try:
            if query.text:
                self._add(self._in_unsaved(query))
                search = self._search = FileSearch(
                    self._root, query.text, is_regex=query.is_regex, has_case=query.has_case
                )
                found = iter(search)
                while len(self._hits) < _MOST_HITS and (batch := await asyncio.to_thread(_next_batch, found)):
                    self._add([hit for hit in batch if hit.name not in self._unsaved])
                search.stop()
            self._is_complete = True
        except LocalcoderError as error:
            self._problem = error.what
        self._has_news.set()
        self._count()

    def _in_unsaved(self, query: Query) -> list[Hit]:
        hits: dict[tuple[str, int], Hit] = {}
        for name, lines in self._unsaved.items():
            for row, start, end in find_all(lines, query):
                hits.setdefault((name, row), Hit(name, row, start, end, lines[row]))
        return list(hits.values())

    def _add(self, hits: Sequence[Hit]) -> None:
        hits = hits[: _MOST_HITS - len(self._hits)]
        choices = self.query_one(OptionList)
        choices.add_options(map(_option, hits))
        for index, hit in enumerate(hits, len(self._hits)):
            is_last = self._last is not None and (hit.name, hit.row) == (self._last.name, self._last.row)
            if choices.highlighted is None or is_last:
                choices.highlighted = index
        self._hits += hits
        if hits:
            self._has_news.set()
        self._count()

    def _count(self) -> None:
        files = len({hit.name for hit in self._hits})
        first = "the first " if len(self._hits) >= _MOST_HITS else ""
        found = (
            f"{first}{_counted(len(self._hits), 'line')} in {_counted(files, 'file')}" if self.query_shown.text else ""
        )
        is_going_on = self.query_shown.text and not self._is_complete
        self.query_one("#count", Static).update(self._problem or found + (", still looking" if is_going_on else ""))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _option(hit: Hit) -> Option:
    line = drawable(hit.line.replace("\t", " "))
    indent = len(line) - len(line.lstrip())
    place = f"{drawable(hit.name)}:{hit.row + 1}  "
    text = Content(line[indent : indent + _LONGEST_SHOWN])
    text = text.stylize("bold underline", max(hit.start - indent, 0), max(hit.end - indent, 0))
    return Option(Content.assemble((place, "dim"), text))


def _next_batch(found: Iterator[Hit]) -> list[Hit]:
    """What comes within a moment; nothing at the end."""
    until = time.monotonic() + _BATCH_S
    batch: list[Hit] = []
    for hit in islice(found, _MOST_HITS):
        batch.append(hit)
        if time.monotonic() > until:
            break
    return batch
