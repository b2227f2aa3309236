"""The tree of the project's files beside the text: shown, and hidden again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.containers import Horizontal
from textual.screen import Screen

from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.going import Going

if TYPE_CHECKING:
    from localcoder.tui.widgets.file_tree import FileTree


class TreePane:
    """`place` holds the text, and the tree to its left. The tree is made when it is shown for the first time."""

    def __init__(self, owner: Screen[None], place: Horizontal, buffers: Buffers, going: Going) -> None:
        self._owner = owner
        self._place = place
        self._buffers = buffers
        self._going = going
        self._tree: FileTree | None = None

    async def toggle(self) -> None:
        """Go to the tree; from there, hide it."""
        if self._tree is not None and self._tree.has_focus:
            self._tree.display = False
            self._leave()
        else:
            await self.show()

    async def show(self) -> None:
        """Show the tree of the project that the text in front is of, and go to its file."""
        from localcoder.tui.widgets.file_tree import FileTree

        root = self._going.root
        if self._tree is not None and self._tree.path != root:
            await self._tree.remove()
            self._tree = None
        if self._tree is None:
            self._tree = FileTree(root, choose=self._choose, leave=self._leave)
            await self._place.mount(self._tree, before=0)
        elif not self._tree.display:
            await self._tree.reload()
        self._tree.display = True
        self._owner.set_focus(self._tree)
        if path := self._buffers.front.path:
            await self._tree.reveal(path.absolute())

    def _choose(self, path: Path) -> None:
        self._owner.run_worker(self._going.open(path), group="file", exclusive=True, exit_on_error=False)

    def _leave(self) -> None:
        self._buffers.front.editor.focus()
