"""Other programs write the files that are open: notices it, and sees to it that neither text is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from weakref import WeakKeyDictionary

from textual.screen import Screen

from localcoder.errors import LocalcoderError
from localcoder.tui.buffer import Buffer, Conflict
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.files import Stamp, read_text_file
from localcoder.tui.notices import show_error
from localcoder.tui.text.difference import changed_lines
from localcoder.tui.widgets.disk_bar import Answer, DiskBar

_LOOK_S = 1.5
"""Chosen: soon enough for who comes back from another program; a look is one `stat` a file."""
_SETTLE_S = 0.1
"""Chosen: a file that rested for so long is whole. Many programs empty a file first and then fill it."""


class DiskWatch:
    """Looks at the files of the open buffers. A buffer without changes takes over what is in its file; about one with
    changes the bar asks while that buffer is in front.

    `changed` is called when the state of some buffer did.
    """

    def __init__(self, owner: Screen[None], bar: DiskBar, buffers: Buffers, *, changed: Callable[[], None]) -> None:
        self._owner = owner
        self._bar = bar
        self._buffers = buffers
        self._changed = changed
        self._settling: WeakKeyDictionary[Buffer, Stamp | None] = WeakKeyDictionary()

    def start(self) -> None:
        """Look from now on, and ask about what is known already."""
        self._owner.set_interval(_LOOK_S, self.look)
        self.show()

    def look(self) -> None:
        """Notice what other programs did since the last look, once they are done with it."""
        for buffer in self._buffers:
            if buffer.path is None or (stamp := Stamp.of(buffer.path)) == buffer.seen:
                continue
            if buffer in self._settling and self._settling[buffer] == stamp:
                del self._settling[buffer]
                self._read(buffer)
            else:
                self._settling[buffer] = stamp
                self._owner.set_timer(_SETTLE_S, self.look)

    def may_write(self, buffer: Buffer) -> bool:
        """Whether there is something to write, and it overwrites nothing unseen; if it would, the bar asks."""
        saved = buffer.saved
        if buffer.path is not None and Stamp.of(buffer.path) not in (None, buffer.seen):
            self._read(buffer)
        if buffer.conflict is not None:
            buffer.conflict = replace(buffer.conflict, stopped_saving=True)
            self.show()
            return False
        return buffer.saved == saved

    def show(self) -> None:
        """Ask about the buffer in front, if there is something to ask."""
        buffer = self._buffers.front
        conflict = buffer.conflict
        if conflict is None:
            self._bar.close()
            return
        what = "changed on disk" if conflict.theirs else "can no longer be read"
        self._bar.ask(f"{buffer.name} {what}", is_saving=conflict.stopped_saving, has_text=conflict.theirs is not None)

    async def answered(self, answer: Answer) -> bool:
        """Do what the user decided about the buffer in front. True when a save waited for it, and may go on."""
        buffer = self._buffers.front
        conflict = buffer.conflict
        if answer == "difference" and conflict is not None and conflict.theirs is not None:
            from localcoder.tui.dialogs.difference import DifferenceScreen

            lines = await asyncio.to_thread(changed_lines, buffer.editor.text, conflict.theirs.text)
            decided = await self._owner.app.push_screen_wait(DifferenceScreen(buffer.name, lines))
            # The file may have changed again: what was not seen is not decided.
            if decided is not None and buffer.conflict is not None and buffer.conflict.theirs is conflict.theirs:
                return await self.answered(decided)
        elif answer == "load":
            self._load(buffer)
        elif answer == "keep":
            return self._keep(buffer)
        return False

    def _load(self, buffer: Buffer) -> None:
        if buffer.path is not None and buffer.conflict is not None and buffer.conflict.theirs is not None:
            theirs = buffer.conflict.theirs
            buffer.set_saved(buffer.path, theirs)
            buffer.editor.load(theirs.text)
            self._tell()

    def _keep(self, buffer: Buffer) -> bool:
        conflict, buffer.conflict = buffer.conflict, None
        if conflict is None:
            return False
        buffer.saved = conflict.theirs or buffer.saved
        buffer.is_only_here = conflict.theirs is None
        self._tell()
        return conflict.stopped_saving

    def _read(self, buffer: Buffer) -> None:
        """Take over what is in the file, or see that somebody has to decide."""
        assert buffer.path is not None
        has_changes = buffer.editor.text != buffer.saved.text
        try:
            theirs = read_text_file(buffer.path)
        except LocalcoderError as error:
            show_error(self._owner, error)
            buffer.seen = Stamp.of(buffer.path)
            buffer.conflict = Conflict(None)
        else:
            buffer.seen = theirs.stamp
            if theirs.stamp is None:
                buffer.conflict, buffer.is_only_here = None, True
                what = f"{buffer.path} was deleted. Saving writes it again."
                self._owner.notify(what, severity="warning", markup=False)
            elif has_changes and theirs not in (buffer.saved, buffer.content):
                buffer.conflict = Conflict(theirs, buffer.conflict is not None and buffer.conflict.stopped_saving)
            else:
                buffer.set_saved(buffer.path, theirs)
                if not has_changes and buffer.editor.text != theirs.text:
                    buffer.editor.load(theirs.text)
        self._tell()

    def _tell(self) -> None:
        self.show()
        self._changed()
