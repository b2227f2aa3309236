"""Puts another model in place of the one in use, or the same one with or without an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.screen import Screen

from localcoder.errors import LocalcoderError
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.completing import Completing
from localcoder.tui.dialogs.ask import AskLine
from localcoder.tui.engines import EngineHost
from localcoder.tui.live_settings import LiveSettings
from localcoder.tui.notices import show_error


class ModelSwitch:
    """`changed` is called when another model is to be loaded, before it is."""

    def __init__(
        self,
        owner: Screen[None],
        engines: EngineHost,
        settings: LiveSettings,
        buffers: Buffers,
        completing: Completing,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._engines = engines
        self._settings = settings
        self._buffers = buffers
        self._completing = completing
        self._changed = changed

    async def use(self, model: str) -> None:
        """Load this model, now and whenever the app starts."""
        await self._load(model, {"model": model})

    async def reload(self) -> None:
        """Load what the settings say."""
        await self._load(self._settings.now.model or None, {})

    async def toggle_adapter(self) -> None:
        """Take the adapter off, or put it on; asks for its file when there is none."""
        settings = self._settings.now
        try:
            if settings.adapter:
                self._settings.change("adapter_on", not settings.adapter_on)
            elif await self._ask_for_adapter():
                self._settings.change("adapter_on", True)
            else:
                return
        except LocalcoderError as error:
            show_error(self._owner, error)
            return
        await self._load(self._engines.model, {})

    async def _ask_for_adapter(self) -> bool:
        """Ask until a file is named that is an adapter, or none is wanted."""
        answer: str | None = ""
        while answer := await self._owner.app.push_screen_wait(
            AskLine("LoRA adapter: FILE.gguf, or FILE.gguf:SCALE", answer or "")
        ):
            try:
                self._settings.change("adapter", answer)
            except LocalcoderError as error:
                show_error(self._owner, error)
            else:
                return True
        return False

    async def _load(self, model: str | None, changes: Mapping[str, object]) -> None:
        editor = self._buffers.front.editor
        self._completing.stop()
        editor.clear_ghost()
        try:
            for name, value in changes.items():
                self._settings.change(name, value)
        except LocalcoderError as error:
            show_error(self._owner, error)
        await self._engines.switch(model)
        self._changed()
        self._completing.read_ahead(self._buffers.front.editor)
