"""The files of a folder as a tree: what git ignores is not in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DirectoryTree
from textual.widgets._directory_tree import DirEntry
from textual.widgets.tree import TreeNode

from localcoder.code.ignored import ignored_below
from localcoder.code.walk import VERSION_CONTROL
from localcoder.tui.text.display import drawable

_MOST_SHOWN = 2_000
"""Entries of one folder. Chosen: nobody scrolls through more, and they are there in a moment."""


class FileTree(DirectoryTree):
    """Shows what is below `root`. Calls `choose` with a file that was chosen, and `leave` to go back to the text."""

    DEFAULT_CSS: ClassVar[str] = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("right", "unfold", "Unfold"),
        Binding("left", "fold", "Fold"),
        Binding("r", "read_again", "Read again"),
        Binding("escape", "leave", "Back to the text"),
    ]

    def __init__(self, root: Path, *, choose: Callable[[Path], None], leave: Callable[[], None]) -> None:
        super().__init__(root)
        self._choose = choose
        self._leave = leave
        self.guide_depth = 2

    async def reveal(self, path: Path) -> None:
        """Unfold what is around a file, and go to it, if it is in the tree."""
        node = self.root
        while node.data is not None and node.data.path in path.parents:
            await self._add_to_load_queue(node)
            node.expand()
            inner = (child for child in node.children if child.data is not None)
            found = next((child for child in inner if child.data and child.data.path in (path, *path.parents)), None)
            if found is None:
                return
            node = found
        self.move_cursor(node)

    def action_unfold(self) -> None:
        node = self.cursor_node
        if node is not None and node.allow_expand and not node.is_expanded:
            node.expand()
        else:
            self.action_cursor_down()

    def action_fold(self) -> None:
        node = self.cursor_node
        if node is not None and node.allow_expand and node.is_expanded:
            node.collapse()
        else:
            self.action_cursor_parent()

    async def action_read_again(self) -> None:
        await self.reload()

    def action_leave(self) -> None:
        self._leave()

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        event.stop()
        self._choose(event.path)

    def filter_paths(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Of one folder's entries, those that are somebody's own. Runs in a thread."""
        entries = list(paths)
        if not entries:
            return
        # Asked anew for each folder that is unfolded: what was made or ignored meanwhile counts.
        is_ignored = ignored_below(entries[0].parent)
        for path in entries:
            if path.name in VERSION_CONTROL:
                continue
            # To git a link is a file, wherever it leads.
            is_folder = self._safe_is_dir(path) and not path.is_symlink()
            # Git knows no empty folders.
            if not is_ignored(f"{path.name}/" if is_folder else path.name) or (is_folder and _is_empty(path)):
                yield path

    def _populate_node(self, node: TreeNode[DirEntry], content: Iterable[Path]) -> None:
        entries = iter(content)
        super()._populate_node(node, islice(entries, _MOST_SHOWN))
        more = sum(1 for _ in entries)
        if more:
            node.add_leaf(f"… {more:,} more")

    def process_label(self, label: object) -> Text:
        # A name may have what no terminal shows, and even a newline.
        return Text(drawable(str(label)), no_wrap=True)

    def reset_node(self, node: TreeNode[DirEntry], label: object, data: DirEntry | None = None) -> FileTree:
        name = data.path.name if node is self.root and data is not None else ""
        super().reset_node(node, name or str(label), data)
        return self


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False
