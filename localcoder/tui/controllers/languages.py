"""Which language a buffer is in: by its file's name, by its text where it has no name, or as it was said to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.screen import Screen

from localcoder.code.guess import language_at
from localcoder.code.languages import LANGUAGES, PLAIN, by_name
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.dialogs.ask import PickOne

_BY_ITSELF = ""


class Languages:
    """`changed` is called when a buffer is in another language than before."""

    def __init__(self, owner: Screen[None], buffers: Buffers, *, changed: Callable[[], None]) -> None:
        self._owner = owner
        self._buffers = buffers
        self._changed = changed

    def look(self, buffer: Buffer) -> None:
        """A text came into this buffer as a whole: see what it is, unless that is known."""
        if buffer.path is None and not buffer.is_language_chosen and buffer.editor.text.strip():
            # Grammars are loaded for that, and the text is parsed in each of them.
            group = f"language of {buffer.editor.id}"
            self._owner.run_worker(self._guess(buffer), group=group, exclusive=True, exit_on_error=False)

    async def choose(self) -> None:
        """Ask in which language the buffer in front is."""
        buffer = self._buffers.front
        known = sorted(LANGUAGES, key=lambda language: language.label.lower())
        items = [(_BY_ITSELF, "By its name or its text"), *((each.name, each.label) for each in (*known, PLAIN))]
        answer = await self._owner.app.push_screen_wait(PickOne("Which language is this?", items))
        if answer is None:
            return
        buffer.is_language_chosen = answer != _BY_ITSELF
        if buffer.is_language_chosen:
            buffer.editor.set_language(by_name(answer))
        else:
            buffer.name_language()
            self.look(buffer)
        self._changed()

    async def _guess(self, buffer: Buffer) -> None:
        text = buffer.editor.text
        language = await asyncio.to_thread(language_at, None, text, len(text))
        if buffer.path is None and not buffer.is_language_chosen and language != buffer.editor.known_language:
            buffer.editor.set_language(language)
            self._changed()
