"""Opens, saves and closes files, and asks before anything is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from textual.screen import Screen

from localcoder.errors import LocalcoderError
from localcoder.tui import session
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.autosave import Autosave
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.disk_watch import DiskWatch
from localcoder.tui.dialogs.ask import AskLine, Choose, PickOne
from localcoder.tui.files import NotInEncoding, TextFile, new_file, read_text_file, require_place, write_text_file
from localcoder.tui.notices import show_error


class Filing:
    """Each coroutine here may ask a question, and so runs in a worker of `owner`.

    `changed` is called when the name of the buffer in front changed, or what of it is saved.
    """

    def __init__(
        self,
        owner: Screen[None],
        buffers: Buffers,
        disk_watch: DiskWatch,
        autosave: Autosave,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._buffers = buffers
        self._disk_watch = disk_watch
        self._autosave = autosave
        self._changed = changed

    async def new(self) -> None:
        """An empty buffer in front."""
        await self._buffers.add(TextFile(""), None)

    async def open(self) -> None:
        """Ask for a file, and open it beside what is open."""
        path = self._buffers.front.path
        folder = path.parent if path else Path()
        start = "" if folder == Path() else f"{folder}/"
        answer = await self._owner.app.push_screen_wait(AskLine("Open", start, "path/to/file.py"))
        if answer is not None:
            await self.open_path(_path(answer))

    async def open_recent(self) -> None:
        """Ask which of the files that were opened lately."""
        known = [(str(path), str(path)) for path in session.recent()]
        if not known:
            self._owner.notify("No file was opened yet.", timeout=4)
            return
        answer = await self._owner.app.push_screen_wait(PickOne("Open a recent file", known))
        if answer is not None:
            await self.open_path(Path(answer))

    async def open_path(self, path: Path) -> bool:
        """Show a file, beside what is open. False when it cannot be opened: then that is said."""
        for buffer in self._buffers:
            if buffer.is_of(path):
                self._buffers.show(buffer)
                return True
        try:
            content = read_text_file(path)
            if content.stamp is None:
                require_place(path)
        except LocalcoderError as error:
            show_error(self._owner, error)
            return False
        if content.stamp is None:
            self._owner.notify(new_file(path), timeout=4, markup=False)
        session.remember_file(path)
        # An empty buffer that nobody used makes room.
        unused = [buffer for buffer in self._buffers if buffer.path is None and buffer.editor.is_blank]
        await self._buffers.add(content, path)
        for buffer in unused:
            await self._buffers.remove(buffer)
        self._changed()
        return True

    async def save(self) -> bool:
        """Write the buffer in front to its file. False when it was not saved."""
        return await self._save(self._buffers.front)

    async def save_as(self) -> bool:
        """Write the buffer in front to a file that is asked for."""
        return await self._save_as(self._buffers.front)

    async def close(self) -> None:
        """Close the buffer in front; asks when it has unsaved changes."""
        buffer = self._buffers.front
        if not await self._may_lose(buffer, "close"):
            return
        if len(self._buffers) == 1:
            await self.new()
        else:
            self._buffers.step(-1)
        await self._buffers.remove(buffer)
        self._changed()
        self._autosave.soon()

    async def leave(self) -> None:
        """End the app, after asking what to do with unsaved changes."""
        for buffer in self._buffers:
            if not await self._may_lose(buffer, "quit"):
                return
        await self._autosave.finish()
        self._owner.app.exit()

    async def _save(self, buffer: Buffer) -> bool:
        return await (self._save_as(buffer) if buffer.path is None else self._write(buffer, buffer.path))

    async def _save_as(self, buffer: Buffer) -> bool:
        ask = self._owner.app.push_screen_wait
        answer = await ask(AskLine("Save as", str(buffer.path or ""), "path/to/file.py"))
        if answer is None:
            return False
        path = _path(answer)
        if not buffer.is_of(path) and _exists(path):
            question = f"{path} exists. Replace it?"
            if await ask(Choose(question, [("no", "Keep it"), ("yes", "Replace")])) != "yes":
                return False
        return await self._write(buffer, path)

    async def _write(self, buffer: Buffer, path: Path) -> bool:
        if buffer.is_of(path) and not self._disk_watch.may_write(buffer):
            return not buffer.is_modified
        try:
            buffer.set_saved(path, write_text_file(path, buffer.content))
        except NotInEncoding as error:
            question = Choose(error.what, [("no", "Do not save"), ("yes", "Save as UTF-8")])
            if await self._owner.app.push_screen_wait(question) != "yes":
                return False
            buffer.saved = replace(buffer.saved, encoding="utf-8")
            return await self._write(buffer, path)
        except LocalcoderError as error:
            show_error(self._owner, error)
            return False
        session.remember_file(path)
        self._changed()
        self._autosave.soon()
        self._owner.notify(f"Saved {path}.", timeout=3, markup=False)
        return True

    async def _may_lose(self, buffer: Buffer, verb: str) -> bool:
        """Ask about unsaved changes; False to stay."""
        if not buffer.is_modified:
            return True
        self._buffers.show(buffer)
        answer = await self._owner.app.push_screen_wait(
            Choose(
                f"{buffer.name} has unsaved changes.",
                [("save", f"Save and {verb}"), ("discard", f"{verb.capitalize()} without saving"), ("stay", "Stay")],
            )
        )
        return answer == "discard" or (answer == "save" and await self._save(buffer))


def _path(answer: str) -> Path:
    return Path(answer).expanduser()


def _exists(path: Path) -> bool:
    return path.exists()
