"""The app: one engine, one screen to edit on, and the questions it asks."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.driver import Driver

from localcoder.settings import Settings
from localcoder.tui.commands import bindings
from localcoder.tui.engines import EngineFactory, EngineHost
from localcoder.tui.model_job import ModelJob
from localcoder.tui.screens.edit import EditScreen
from localcoder.tui.start import Opened


class LocalcoderApp(App[None], inherit_bindings=False):
    """Edits what is opened, the buffer `active` in front, with completions from the factory's engine."""

    TITLE = "localcoder"
    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("app"))

    def __init__(
        self,
        engine_factory: EngineFactory,
        opened: Sequence[Opened] = (),
        *,
        active: int = 0,
        model: str | None = None,
        settings: Settings | None = None,
        notice: str = "",
    ) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else "textual-dark"
        model = model or self.settings.model or None
        self.engines = EngineHost(engine_factory, model)
        self.model_job = ModelJob()
        self._notice = notice
        self._opened = opened
        self._active = active

    def get_driver_class(self) -> type[Driver]:
        default = super().get_driver_class()
        if default.__name__ != "LinuxDriver":
            return default
        # Not on Windows, where its modules are missing.
        from localcoder.tui.terminal_input import driver_for

        return driver_for(default)

    def get_default_screen(self) -> EditScreen:
        return EditScreen(self._opened, self._active)

    def on_mount(self) -> None:
        # What exists by now stays; the collector need not look at it again, which is felt as a halting key.
        self.call_after_refresh(gc.freeze)
        if self._notice:
            self.notify(self._notice, timeout=10, markup=False)

    async def action_quit(self) -> None:
        """Leave, but not with unsaved changes that nobody was asked about."""
        screen = self.screen_stack[0]
        assert isinstance(screen, EditScreen)
        screen.leave()

    async def on_unmount(self) -> None:
        self.model_job.stop()
        await self.engines.close()

    def write_terminal(self, sequence: str) -> None:
        """Send an escape sequence that draws nothing."""
        if self._driver is not None:
            self._driver.write(sequence)
