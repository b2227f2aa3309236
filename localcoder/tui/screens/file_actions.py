"""What the edit screen does with files: open, save, close."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from localcoder.errors import LocalcoderError
from localcoder.tui import session
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.autosave import Autosave
from localcoder.tui.controllers.disk_watch import DiskWatch
from localcoder.tui.dialogs.ask import AskLine, Choose, PickOne
from localcoder.tui.files import TextFile, read_text_file, write_text_file
from localcoder.tui.text.lines import has_mixed_newlines

if TYPE_CHECKING:
    from localcoder.tui.app import LocalcoderApp


class FileActions(Screen[None]):
    """The buffers of a screen. The screen shows them in a ContentSwitcher, and says how in the methods below."""

    app: LocalcoderApp
    autosave: Autosave
    disk_watch: DiskWatch

    def __init__(self) -> None:
        super().__init__()
        self.buffers: list[Buffer] = []
        self._numbers = iter(range(1_000_000))

    # --- What the screen provides

    @abstractmethod
    def buffer_shown(self) -> None:
        """Another buffer is in front, or the one in front changed its name or was saved."""

    @abstractmethod
    def configure(self, buffer: Buffer) -> None:
        """Apply the settings to a new buffer's editor."""

    def show_error(self, error: LocalcoderError) -> None:
        self.notify(f"{error.what}\n{error.todo}".strip(), severity="error", timeout=15, markup=False)

    # --- Buffers

    @property
    def buffer(self) -> Buffer:
        """The one in front."""
        current = self.query_one(ContentSwitcher).current
        return next((buffer for buffer in self.buffers if buffer.editor.id == current), self.buffers[0])

    def make_buffer(self, content: TextFile, path: Path | None) -> Buffer:
        """A buffer of this screen, not yet mounted."""
        buffer = Buffer(content, path, editor_id=f"buffer-{next(self._numbers)}")
        self.buffers.append(buffer)
        self.configure(buffer)
        return buffer

    async def add_buffer(self, content: TextFile, path: Path | None) -> Buffer:
        """A new buffer in front."""
        buffer = self.make_buffer(content, path)
        await self.query_one(ContentSwitcher).mount(buffer.editor)
        self.show_buffer(buffer)
        self.warn_about(buffer)
        return buffer

    def warn_about(self, buffer: Buffer) -> None:
        """Say what is unusual about a file that was just opened."""
        if has_mixed_newlines(buffer.saved.text):
            self.notify(
                f"{buffer.name} ends its lines in two ways, \\n and \\r\\n. Both are kept; ␍ marks the second.",
                severity="warning",
                timeout=8,
                markup=False,
            )

    def show_buffer(self, buffer: Buffer) -> None:
        self.query_one(ContentSwitcher).current = buffer.editor.id
        buffer.editor.focus()
        self.buffer_shown()

    def action_next_buffer(self, step: int) -> None:
        index = self.buffers.index(self.buffer)
        self.show_buffer(self.buffers[(index + step) % len(self.buffers)])

    # --- Commands

    @work(group="file", exclusive=True)
    async def action_new(self) -> None:
        await self.add_buffer(TextFile(""), None)

    @work(group="file", exclusive=True)
    async def action_open(self) -> None:
        folder = self.buffer.path.parent if self.buffer.path else Path()
        start = "" if folder == Path() else f"{folder}/"
        answer = await self.app.push_screen_wait(AskLine("Open", start, "path/to/file.py"))
        if answer is not None:
            await self._open(_path(answer))

    @work(group="file", exclusive=True)
    async def action_recent(self) -> None:
        known = [(str(path), str(path)) for path in session.recent()]
        if not known:
            self.notify("No file was opened yet.", timeout=4)
            return
        answer = await self.app.push_screen_wait(PickOne("Open a recent file", known))
        if answer is not None:
            await self._open(Path(answer))

    @work(group="file", exclusive=True)
    async def action_save(self) -> None:
        await self.save(self.buffer, self.buffer.path)

    @work(group="file", exclusive=True)
    async def action_save_as(self) -> None:
        await self.save(self.buffer, None)

    @work(group="file", exclusive=True)
    async def action_close(self) -> None:
        buffer = self.buffer
        if not await self._may_lose(buffer, "close"):
            return
        if len(self.buffers) == 1:
            await self.add_buffer(TextFile(""), None)
        else:
            self.action_next_buffer(-1)
        self.buffers.remove(buffer)
        await buffer.editor.remove()
        self.buffer_shown()
        self.autosave.soon()

    @work(group="file", exclusive=True)
    async def leave(self) -> None:
        """End the app, after asking what to do with unsaved changes."""
        for buffer in self.buffers:
            if not await self._may_lose(buffer, "quit"):
                return
        await self.autosave.finish()
        self.app.exit()

    async def save(self, buffer: Buffer, path: Path | None) -> bool:
        """Write a buffer; asks where to when `path` is None. False when it was not saved."""
        if path is None:
            answer = await self.app.push_screen_wait(AskLine("Save as", str(buffer.path or ""), "path/to/file.py"))
            if answer is None:
                return False
            path = _path(answer)
            if not buffer.is_of(path) and _exists(path):
                question = f"{path} exists. Replace it?"
                if await self.app.push_screen_wait(Choose(question, [("no", "Keep it"), ("yes", "Replace")])) != "yes":
                    return False
        await buffer.editor.settled()
        if buffer.is_of(path) and not self.disk_watch.may_write(buffer):
            return not buffer.is_modified
        try:
            buffer.set_saved(path, write_text_file(path, buffer.content))
        except LocalcoderError as error:
            self.show_error(error)
            return False
        session.remember_file(path)
        self.buffer_shown()
        self.autosave.soon()
        self.notify(f"Saved {path}.", timeout=3, markup=False)
        return True

    async def _open(self, path: Path) -> None:
        for buffer in self.buffers:
            if buffer.is_of(path):
                self.show_buffer(buffer)
                return
        try:
            content = read_text_file(path)
        except LocalcoderError as error:
            self.show_error(error)
            return
        session.remember_file(path)
        # An empty buffer that nobody used makes room.
        unused = [buffer for buffer in self.buffers if buffer.path is None and buffer.editor.is_blank]
        await self.add_buffer(content, path)
        for buffer in unused:
            self.buffers.remove(buffer)
            await buffer.editor.remove()
        self.buffer_shown()

    async def _may_lose(self, buffer: Buffer, verb: str) -> bool:
        """Ask about unsaved changes; False to stay."""
        await buffer.editor.settled()
        if not buffer.is_modified:
            return True
        self.show_buffer(buffer)
        answer = await self.app.push_screen_wait(
            Choose(
                f"{buffer.name} has unsaved changes.",
                [("save", f"Save and {verb}"), ("discard", f"{verb.capitalize()} without saving"), ("stay", "Stay")],
            )
        )
        return answer == "discard" or (answer == "save" and await self.save(buffer, buffer.path))


def _path(answer: str) -> Path:
    return Path(answer).expanduser()


def _exists(path: Path) -> bool:
    return path.exists()
