"""Which buffers are open, and which of them is in front."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from textual.widgets import ContentSwitcher

from localcoder.tui.buffer import Buffer, Conflict
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from localcoder.tui.text.lines import has_mixed_newlines


class Buffers:
    """The open buffers in their order; at least one, from `begin` on.

    `configure` applies the settings to a new buffer's editor; `shown` is called when another buffer is in front;
    `warn` gets what a user should know about a file that was just opened.
    """

    def __init__(
        self,
        *,
        configure: Callable[[Buffer], None],
        shown: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:
        self._configure = configure
        self._shown = shown
        self._warn = warn
        self._numbers = count()
        self._open: list[Buffer] = []
        self._by_use: list[Buffer] = []

    def begin(self, opened: Sequence[Opened], active: int) -> ContentSwitcher:
        """Open what is there at the start, the one at `active` in front, and give the widget that shows it."""
        for one in opened or [Opened(TextFile(""))]:
            buffer = self._make(one.content, one.path)
            if one.unsaved is not None:
                buffer.editor.load(one.unsaved)
            if one.is_changed:
                buffer.conflict = Conflict(one.content)
            buffer.editor.move_cursor(buffer.editor.clamp_visitable((one.row, one.column)))
        self.front = self._open[min(active, len(self._open) - 1)]
        self._use(self.front)
        self._switcher = ContentSwitcher(*(buffer.editor for buffer in self), initial=self.front.editor.id)
        return self._switcher

    def __iter__(self) -> Iterator[Buffer]:
        return iter(tuple(self._open))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def by_use(self) -> tuple[Buffer, ...]:
        """The one in front, the one that was there before, and so on."""
        return tuple(self._by_use)

    @property
    def front_index(self) -> int:
        return self._open.index(self.front)

    async def add(self, content: TextFile, path: Path | None) -> Buffer:
        """A new buffer, in front."""
        buffer = self._make(content, path)
        await self._switcher.mount(buffer.editor)
        self.show(buffer)
        self.warn_about(buffer)
        return buffer

    def show(self, buffer: Buffer) -> None:
        """Bring a buffer to the front."""
        self.front = buffer
        self._use(buffer)
        self._switcher.current = buffer.editor.id
        buffer.editor.focus()
        self._shown()

    def show_at(self, index: int) -> None:
        """Show the one at this place, if there is one."""
        if index < len(self._open):
            self.show(self._open[index])

    def step(self, by: int) -> None:
        """Show the next (1) or the previous (-1) buffer, around the ends."""
        self.show(self._open[(self.front_index + by) % len(self._open)])

    async def remove(self, buffer: Buffer) -> None:
        """Close a buffer that is not in front."""
        self._open.remove(buffer)
        self._by_use.remove(buffer)
        await buffer.editor.remove()

    def warn_about(self, buffer: Buffer) -> None:
        """Say what is unusual about a file that was just opened."""
        if buffer.saved.encoding != "utf-8":
            label = buffer.saved.encoding_label
            self._warn(f"{buffer.name} is not UTF-8. It is read as {label}, and saved as that.")
        if has_mixed_newlines(buffer.saved.text):
            self._warn(f"{buffer.name} ends its lines in two ways, \\n and \\r\\n. Both are kept; ␍ marks the second.")

    def _use(self, buffer: Buffer) -> None:
        self._by_use.remove(buffer)
        self._by_use.insert(0, buffer)

    def _make(self, content: TextFile, path: Path | None) -> Buffer:
        buffer = Buffer(content, path, editor_id=f"buffer-{next(self._numbers)}")
        self._open.append(buffer)
        self._by_use.append(buffer)
        self._configure(buffer)
        return buffer
