"""Keys and pastes, one after the other: what one does is done before the next is looked at.

Textual looks at a key's commands at once, while keys that came just before are still on their way to the widget with
the focus, or while a dialog that they opened is not there yet. Over ssh, and on a busy machine, keys come batched.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from textual.app import App
from textual.events import Event, Key
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TextArea

HOLDING = frozenset({"question", "file"})
"""Groups of workers that keys wait for, until they end or ask something: what is typed then is meant for after that."""
_LOOK_S = 0.005
"""Between two looks at a worker that is held for. Chosen: below what a hand notices."""
_GONE_S = 0.1
"""After this long without an answer, see whether a widget is still there. Chosen: it is only felt when one is not."""


class KeyOrder:
    """Gives `handle` one event at a time, in the app's own message loop, and waits until all of its effects are in."""

    def __init__(self, app: App[None], handle: Callable[[Event], Awaitable[None]]) -> None:
        self._app = app
        self._handle = handle
        self._waiting: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, event: Event) -> None:
        """Handle this when all before it are done."""
        self._waiting.append(event)
        if not self.is_busy:
            self._task = asyncio.create_task(self._work())

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be done."""
        return self._task is not None and not self._task.done()

    async def _work(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if not await self._through(self._app, partial(self._handle, event)):
                return
            if not (self._waiting and self._is_text(event) and self._is_text(self._waiting[0])):
                await self._settled()

    def _is_text(self, event: Event) -> bool:
        """Whether this is a character for a text, which takes its characters in their order by itself."""
        return isinstance(event, Key) and event.is_printable and isinstance(self._app.focused, TextArea)

    async def _settled(self) -> None:
        """Wait until nothing is on its way between the app and the widget that has the focus.

        A command may give the focus to another widget or open a screen, and that may do something too: then once more.
        """
        while self._app.is_running and self._app.screen_stack:
            screen, path = self._app.screen, self._path()
            for pump in path:
                await self._through(pump)
            if self._is_held():
                await asyncio.sleep(_LOOK_S)
            elif path == self._path() and screen is self._app.screen and not any(map(_has_messages, path)):
                return

    def _path(self) -> list[MessagePump]:
        """The way of a key that nobody takes: from the widget that has the focus up to the app."""
        start: Widget | Screen[object] = self._app.focused or self._app.screen
        return [*start.ancestors_with_self]

    def _is_held(self) -> bool:
        screen = self._app.screen
        return any(
            worker.node is screen and worker.group in HOLDING and not worker.is_finished for worker in self._app.workers
        )

    async def _through(self, pump: MessagePump, callback: Callable[[], object] = lambda: None) -> bool:
        """Wait until the pump has handled what it was sent so far, and then the callback. False when it is gone."""
        done = asyncio.Event()

        async def call() -> None:
            try:
                result = callback()
                if isinstance(result, Awaitable):
                    await result
            finally:
                done.set()

        if not pump.call_later(call):
            return False
        while not done.is_set():
            try:
                await asyncio.wait_for(done.wait(), _GONE_S)
            except asyncio.TimeoutError:
                if not pump.is_running:
                    return False
        return True


def _has_messages(pump: MessagePump) -> bool:
    return pump._pending_message is not None or not pump._message_queue.empty()
