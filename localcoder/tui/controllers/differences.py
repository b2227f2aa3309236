"""Shows what was changed in the buffer in front: since it was saved, or since the last commit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from textual.screen import Screen

from localcoder.code.git import bytes_at_head
from localcoder.errors import LocalcoderError
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.files import read_text_file
from localcoder.tui.notices import show_error
from localcoder.tui.text.difference import changed_lines

State = Literal["disk", "HEAD"]


class Differences:
    """The coroutine here opens a screen, and so runs in a worker of `owner`."""

    def __init__(self, owner: Screen[None], buffers: Buffers) -> None:
        self._owner = owner
        self._buffers = buffers

    async def show(self, against: State) -> None:
        """Show where the text differs from the file on the disk, or from what HEAD has of it."""
        from localcoder.tui.dialogs.difference import ChangesScreen

        buffer = self._buffers.front
        try:
            before = await asyncio.to_thread(_state_of, buffer, against)
        except LocalcoderError as error:
            show_error(self._owner, error)
            return
        lines = await asyncio.to_thread(changed_lines, before, buffer.editor.text)
        where = "on the disk" if against == "disk" else "in HEAD"
        if lines:
            await self._owner.app.push_screen_wait(ChangesScreen(f"{buffer.name}: - {where}, + here", lines))
        else:
            self._owner.notify(f"{buffer.name} is here as it is {where}.", timeout=4, markup=False)


def _state_of(buffer: Buffer, against: State) -> str:
    """Raises LocalcoderError for a text that is not there."""
    if buffer.path is None:
        raise LocalcoderError("This buffer has no file yet.", "Save it first.")
    if against == "HEAD":
        return _text_at_head(buffer.path, buffer)
    content = read_text_file(buffer.path)
    if content.stamp is None:
        raise LocalcoderError(f"There is no file {buffer.path}.", "Saving makes it.")
    return content.text


def _text_at_head(path: Path, buffer: Buffer) -> str:
    data = bytes_at_head(path)
    if data is None:
        what = f"HEAD has no {buffer.name}: it is new, or in no repository of git, or git is not installed."
        raise LocalcoderError(what, "Commit it, and what is changed from then on can be shown.")
    return data.decode(buffer.saved.encoding, "replace").removeprefix("\ufeff")
