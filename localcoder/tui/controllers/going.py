"""Goes places: to a file of the project, a symbol, a definition, another buffer, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from textual.document._document import Location
from textual.screen import Screen

from localcoder.code.file_search import Hit
from localcoder.code.repository import root_of
from localcoder.errors import LocalcoderError
from localcoder.tui import session
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.filing import Filing
from localcoder.tui.notices import show_error
from localcoder.tui.text.search import Query

Target = Literal["back", "buffer", "file", "hit", "line", "symbol"]


Place = Location | Callable[[Sequence[str]], Location]
"""Row and column, from 0, or what says them of the lines."""


class Going:
    """Coroutines here ask questions, and so run in a worker of `owner`. `folder` is the project's, where one was named.

    A screen that is seldom seen is imported when it is opened: the first frame comes earlier.
    """

    def __init__(self, owner: Screen[None], buffers: Buffers, filing: Filing, folder: Path | None) -> None:
        self._owner = owner
        self._buffers = buffers
        self._filing = filing
        self._folder = folder
        self._searched: tuple[Query, Hit | None] = (Query(""), None)
        self._left: list[tuple[Buffer, Location]] = []

    @property
    def root(self) -> Path:
        """The project's folder: the one that was named, else what is around the file in front, else where we are."""
        if self._folder is not None:
            return self._folder.absolute()
        path = self._buffers.front.path
        return root_of(path or Path("new")) or (path.absolute().parent if path else Path.cwd())

    async def to(self, where: Target) -> None:
        ways: dict[Target, Callable[[], Awaitable[None]]] = {
            "back": self._back,
            "buffer": self._to_buffer,
            "file": self._to_file,
            "hit": self._to_hit,
            "line": self._to_line,
            "symbol": self._to_symbol,
        }
        await ways[where]()

    async def _to_file(self) -> None:
        """Ask for a file of the project, and show it."""
        from localcoder.tui.dialogs.quick_open import QuickOpen

        root = self.root
        pick = QuickOpen(root, self._known_files(root))
        chosen = await self._owner.app.push_screen_wait(pick)
        if chosen is not None:
            await self.open(root / pick.ranked[chosen], pick.place)

    async def _to_line(self) -> None:
        """Ask for a line, and put the cursor there."""
        from localcoder.tui.dialogs.ask import AskLine

        answer = await self._owner.app.push_screen_wait(AskLine("Go to line, or line:column"))
        row, _, column = (answer or "").partition(":")
        if row.strip().isdecimal():
            editor = self._buffers.front.editor
            place = (int(row) - 1, int(column) - 1 if column.strip().isdecimal() else 0)
            editor.move_cursor(editor.clamp_visitable(place), center=True)

    async def _to_buffer(self) -> None:
        """Ask for one of the open buffers, and show it."""
        from localcoder.tui.dialogs.quick_pick import QuickPick
        from localcoder.tui.text.ranking import Ranked

        # The one in front comes last: Enter at once goes to where one was before.
        front, *others = self._buffers.by_use
        open_here = [*others, front]
        root = self.root

        def detail(index: int) -> str:
            return "unsaved" if open_here[index].is_modified else ""

        labels = Ranked(_name_below(root, buffer.path) or str(buffer.path or buffer.name) for buffer in open_here)
        chosen = await self._owner.app.push_screen_wait(QuickPick("Buffer", "buffers", labels, detail=detail))
        if chosen is not None:
            self._buffers.show(open_here[chosen])

    async def _to_symbol(self) -> None:
        """Ask for something that the file in front defines, and go there."""
        from localcoder.code.outline import outline, place_in
        from localcoder.tui.dialogs.quick_pick import QuickPick
        from localcoder.tui.text.ranking import Ranked

        editor = self._buffers.front.editor
        language = editor.known_language
        definitions = (await asyncio.to_thread(outline, editor.text, language)).definitions
        if not definitions:
            self._owner.notify(f"Nothing here is known as a definition in {language.label}.", timeout=5, markup=False)
            return

        def detail(index: int) -> str:
            return f"{definitions[index].kind}, line {definitions[index].line}"

        labels = Ranked(definition.qualified_name for definition in definitions)
        chosen = await self._owner.app.push_screen_wait(
            QuickPick("Symbol of this file", "symbols", labels, detail=detail)
        )
        if chosen is not None:
            await self.open(None, place_in(definitions[chosen], editor.document.lines))

    async def _to_hit(self) -> None:
        """Ask for a text, and show a line of the project that has it."""
        from localcoder.tui.dialogs.project_search import ProjectSearch

        root = self.root
        unsaved = {
            name: buffer.editor.document.lines
            for buffer in self._buffers
            if buffer.is_modified and (name := _name_below(root, buffer.path))
        }
        query, last = self._searched
        selected = self._buffers.front.editor.selected_text
        if selected and "\n" not in selected:
            query = Query(selected)
        search = ProjectSearch(root, unsaved, query, last)
        hit = await self._owner.app.push_screen_wait(search)
        self._searched = (search.query_shown, hit or last)
        if hit is not None:
            await self.open(root / hit.name, (hit.row, hit.start))

    async def _back(self) -> None:
        """Return to where one was before the last jump."""
        while self._left:
            buffer, place = self._left.pop()
            if buffer in tuple(self._buffers):
                self._buffers.show(buffer)
                self._move(place)
                return
            if buffer.path is not None:
                if await self._show(buffer.path):
                    self._move(place)
                return
        self._owner.notify("There is no place to go back to yet.", timeout=4)

    async def open(self, path: Path | None, place: Place | None = None) -> None:
        """Show a file that is there, or, without a path, the buffer in front, at a place."""
        before = self._here()
        if path is not None and await self._show(path) is False:
            return
        self._left = [*self._left[-_MOST_LEFT:], before]
        if place is not None:
            self._move(place)

    async def _show(self, path: Path) -> bool:
        if any(buffer.is_of(path) for buffer in self._buffers) or _is_file(path):
            return await self._filing.open_path(path)
        show_error(self._owner, LocalcoderError(f"There is no file {path} any more.", "Look for it again."))
        return False

    def _here(self) -> tuple[Buffer, Location]:
        return self._buffers.front, self._buffers.front.editor.cursor_location

    def _move(self, place: Place) -> None:
        editor = self._buffers.front.editor
        location = place(editor.document.lines) if callable(place) else place
        editor.move_cursor(editor.clamp_visitable(location), center=True)
        editor.focus()

    def _known_files(self, root: Path) -> Iterator[str]:
        """Names below the root of what was in use lately, the file in front last."""
        front, *others = self._buffers.by_use
        for path in dict.fromkeys((*(buffer.path for buffer in others), *session.recent())):
            if path is not None and path != front.path and (name := _name_below(root, path)):
                yield name


def _is_file(path: Path) -> bool:
    return path.is_file()


_MOST_LEFT = 100
"""Chosen: more jumps than anyone takes back."""


def _name_below(root: Path, path: Path | None) -> str:
    """The path below the root, "" where it is elsewhere."""
    with suppress(ValueError):
        return path.absolute().relative_to(root).as_posix() if path else ""
    return ""
