"""Shows where the name at the cursor is defined."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual.screen import Screen

from localcoder.code.outline import Definition, outline, place_in
from localcoder.repository.index import FoundDefinition
from localcoder.repository.lookup import in_files, in_index, search_for
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.going import Going
from localcoder.tui.dialogs.quick_pick import QuickPick
from localcoder.tui.text.ranking import Ranked
from localcoder.tui.text.words import name_at


@dataclass(frozen=True)
class _Found:
    """A definition in the file at `path`; None for one in the buffer that was asked from."""

    path: Path | None
    definition: Definition


class Definitions:
    """In the text itself, by the repository's index, or else in the files that have the name."""

    def __init__(self, owner: Screen[None], buffers: Buffers, going: Going) -> None:
        self._owner = owner
        self._buffers = buffers
        self._going = going

    async def show(self) -> None:
        """Go to where the name at the cursor is defined; asks where, if that is in several places.

        Runs in a worker of the owner's that keys wait for: a search through files goes on in another one.
        """
        buffer, root = self._buffers.front, self._going.root
        row, column = buffer.editor.cursor_location
        name = name_at(buffer.editor.document[row], column)
        if not name:
            self._owner.notify("There is no name at the cursor.", timeout=4)
            return
        defined = (await asyncio.to_thread(outline, buffer.editor.text, buffer.editor.known_language)).definitions
        found = [_Found(None, each) for each in defined if each.name == name and each.line != row + 1]
        found = found or _elsewhere(await asyncio.to_thread(in_index, name, root), root, buffer)
        if found:
            await self._choose(name, found)
        else:
            self._owner.run_worker(
                self._search(name, root, buffer), group="definition", exclusive=True, exit_on_error=False
            )

    async def _search(self, name: str, root: Path, buffer: Buffer) -> None:
        place, search = buffer.editor.cursor_location, search_for(name, root)
        try:
            found = await asyncio.to_thread(lambda: _elsewhere(in_files(name, root, search), root, buffer))
        finally:
            search.stop()
        # Whoever went on is not taken elsewhere.
        if self._owner.is_current and (self._buffers.front, buffer.editor.cursor_location) == (buffer, place):
            if found:
                self._owner.run_worker(self._choose(name, found), group="question", exclusive=True, exit_on_error=False)
            else:
                what = f"No other definition of {name} was found in {root.name}."
                self._owner.notify(what, timeout=5, markup=False)

    async def _choose(self, name: str, found: Sequence[_Found]) -> None:
        chosen: int | None = 0
        if len(found) > 1:
            labels = Ranked(each.definition.qualified_name for each in found)
            pick = QuickPick(f"Definition of {name}", "definitions", labels, detail=lambda index: _place(found[index]))
            chosen = await self._owner.app.push_screen_wait(pick)
        if chosen is not None:
            path, definition = found[chosen].path, found[chosen].definition
            await self._going.open(path, lambda lines: place_in(definition, lines))


def _elsewhere(found: Iterable[FoundDefinition], root: Path, buffer: Buffer) -> list[_Found]:
    """Without those in the buffer's own file: what that has now was looked at."""
    places = ((root / each.path, each.definition) for each in found)
    return [_Found(path, definition) for path, definition in places if not buffer.is_of(path)]


def _place(found: _Found) -> str:
    where = found.path.name if found.path else "this file"
    return f"{found.definition.kind} in {where}, line {found.definition.line}"
