"""Keeps what is open on disk while the app runs: text that was typed survives whatever happens then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from textual.dom import DOMNode
from textual.worker import Worker, WorkerError

from localcoder.tui import session
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.session import SavedBuffer, Session

_KEEP_S = 0.02
"""Chosen: keys of one burst are written together, and no more than they is lost when the process is killed."""
_REST_PER_WRITE = 1.0
"""Chosen. Seconds of rest for each second that a write took: a large buffer or a slow disk is not busy all the time."""


class Autosave:
    """Writes the session of the open buffers, with the name of the `model`; their files are not touched."""

    def __init__(self, owner: DOMNode, buffers: Buffers, *, model: Callable[[], str | None]) -> None:
        self._owner = owner
        self._buffers = buffers
        self._model = model
        self._keeper: Worker[None] | None = None
        self._keep_again = False
        self._is_finished = False

    def soon(self) -> None:
        """Keep what is open, a moment from now."""
        if self._is_finished:
            return
        self._keep_again = True
        if self._keeper is None or self._keeper.is_finished:
            self._keeper = self._owner.run_worker(self._keep(), group="session", exit_on_error=False)

    async def finish(self) -> None:
        """The app ends in order: what is open comes back at the next start, what is unsaved by now does not."""
        # What is still being written would else come back as something lost.
        self._is_finished, self._keep_again = True, False
        if self._keeper is not None:
            with suppress(WorkerError):
                await self._keeper.wait()
        session.finish(self._session(with_text=False))

    async def _keep(self) -> None:
        # One write at a time: two could end in the other order, and the older text would stay.
        rest_s = _KEEP_S
        while self._keep_again and not self._is_finished:
            await asyncio.sleep(rest_s)
            self._keep_again = False
            start = time.monotonic()
            await asyncio.to_thread(_write_session, self._session(with_text=True))
            rest_s = max(_KEEP_S, (time.monotonic() - start) * _REST_PER_WRITE)

    def _session(self, *, with_text: bool) -> Session:
        saved = []
        for buffer in self._buffers:
            row, column = buffer.editor.cursor_location
            text = buffer.editor.text if with_text and buffer.is_modified else None
            if text is not None or buffer.path is not None:
                path = str(buffer.path.absolute()) if buffer.path else None
                saved.append(SavedBuffer(path, text, row, column, buffer.saved.has_bom, buffer.saved.stamp))
        return Session(tuple(saved), self._buffers.front_index, self._model())


def _write_session(state: Session) -> None:
    session.keep(state)
    session.forget_taken()
