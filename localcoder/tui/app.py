"""The app: one engine, one screen to edit on, and the questions it asks."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen

from localcoder.errors import LocalcoderError
from localcoder.power import PowerWatch
from localcoder.settings import Settings
from localcoder.tui import clipboard
from localcoder.tui.commands import COMMANDS, Command, bindings, check_keymap, keys_of
from localcoder.tui.engines import EngineFactory, EngineHost
from localcoder.tui.key_order import KeyOrder
from localcoder.tui.live_settings import LiveSettings
from localcoder.tui.model_job import ModelJob
from localcoder.tui.notices import show_error
from localcoder.tui.screens.edit import EditScreen
from localcoder.tui.start import Opened
from localcoder.tui.text.display import drawable
from localcoder.tui.text.no_color import WithoutColors


class LocalcoderApp(App[None], inherit_bindings=False):
    """Edits what is opened, the buffer `active` in front, with completions from the factory's engine.

    `notice` is shown at the start; `folder` is a project whose files are shown as a tree; a `tour` leads through the
    places that have these texts behind them.
    """

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
        chosen: Settings | None = None,
        notice: str = "",
        folder: Path | None = None,
        tour: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if self.no_color:
            # In place of the one that makes everything grey.
            self._filters[-1:] = [WithoutColors()]
        self.live_settings = LiveSettings(chosen or Settings())
        self.live_settings.watch(self._setting_changed)
        self.power = PowerWatch(is_on=self.settings.power_saving)
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else "textual-dark"
        model = model or self.settings.model or None
        check_keymap(self.settings.keys)
        self.set_keymap(dict(self.settings.keys))
        self.engines = EngineHost(engine_factory, model)
        self.model_job = ModelJob()
        self._notice = notice
        self._folder = folder
        self._tour = tour
        self._opened = opened
        self._active = active
        self._key_order = KeyOrder(self, super().on_event)

    def get_driver_class(self) -> type[Driver]:
        default = super().get_driver_class()
        if default.__name__ != "LinuxDriver":
            return default
        # Not on Windows, where its modules are missing.
        from localcoder.tui.terminal_input import driver_for

        return driver_for(default)

    def get_default_screen(self) -> EditScreen:
        return EditScreen(
            self._opened,
            self._active,
            settings=self.live_settings,
            engines=self.engines,
            power=self.power,
            model_job=self.model_job,
            folder=self._folder,
            tour=self._tour,
        )

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.live_settings.now

    def on_mount(self) -> None:
        # What exists by now stays; the collector need not look at it again, which is felt as a halting key.
        self.call_after_refresh(gc.freeze)
        if self._notice:
            self.notify(self._notice, timeout=10, markup=False)

    async def action_quit(self) -> None:
        """Leave, but not with unsaved changes that nobody was asked about."""
        self.edit_screen.leave()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.Paste)) and not event.is_forwarded:
            self._key_order.put(event)
        else:
            await super().on_event(event)

    def action_settings(self) -> None:
        from localcoder.tui.screens.settings import SettingsScreen

        def left(needs_loading: bool | None) -> None:
            if needs_loading:
                self.edit_screen.reload_model()

        self.clear_notifications()
        self.push_screen(SettingsScreen(self.live_settings), left)

    def action_help(self) -> None:
        from localcoder.tui.screens.help import HelpScreen

        # The app's key comes before those of any screen: in the help, too.
        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss(None)
            return
        self.clear_notifications()
        self.push_screen(HelpScreen(self.focused, self.settings.keys))

    def _setting_changed(self, name: str) -> None:
        self.power.is_on = self.settings.power_saving
        if name == "theme":
            self.theme = self.settings.theme

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers: our commands, while the editor is in front, and Textual's themes and screenshot."""
        for command in super().get_system_commands(screen):
            if command.title not in ("Quit", "Keys", "Maximize", "Minimize"):
                yield command
        if screen is self.edit_screen:
            for own in COMMANDS:
                is_closed = own.scope == "find" and not self.edit_screen.find_bar.is_open
                if is_closed or own.action == "command_palette":
                    continue
                yield SystemCommand(
                    own.label.rstrip("…"), f"{own.help} {keys_of(own, self.settings.keys)}", self._runs(own)
                )

    def _runs(self, command: Command) -> Callable[[], None]:
        screen = self.edit_screen
        targets = {"app": self, "screen": screen, "find": screen.find_bar, "editor": screen.editor}

        async def run() -> None:
            await self.run_action(command.action, targets[command.scope])

        def start() -> None:
            self.call_later(run)

        return start

    @property
    def edit_screen(self) -> EditScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, EditScreen)
        return screen

    def notify(self, message: str, **options: Any) -> None:
        # A file's name may have what no terminal shows, or takes.
        super().notify("\n".join(map(drawable, message.split("\n"))), **options)

    def _watch_theme(self, theme_name: str) -> None:
        super()._watch_theme(theme_name)
        # The palette changes the theme by itself; a theme only tried out there is set back by it.
        if self.is_running and theme_name != self.settings.theme and not self.screen.is_modal:
            self.call_later(self._keep_theme)

    def _keep_theme(self) -> None:
        if self.theme != self.settings.theme:
            try:
                self.live_settings.change("theme", self.theme)
            except LocalcoderError as error:
                show_error(self, error)

    async def on_unmount(self) -> None:
        self.model_job.stop()
        await self.engines.close()

    def copy_to_clipboard(self, text: str) -> None:
        """What Textual's widgets copy and cut goes the same ways as what our commands copy."""
        with suppress(LocalcoderError):
            self._copy(text)

    @on(EditScreen.Copy)
    def _copy_wanted(self, event: EditScreen.Copy) -> None:
        try:
            where = self._copy(event.text)
        except LocalcoderError as error:
            show_error(self, error)
        else:
            self.notify(f"Copied {event.what} to {where}.", timeout=5, markup=False)

    def _copy(self, text: str) -> str:
        # Paste gives this where no system clipboard can be read.
        self._clipboard = text
        return clipboard.copy(text, self._write_terminal)

    def _write_terminal(self, sequence: str) -> None:
        """Send an escape sequence that draws nothing."""
        if self._driver is not None:
            self._driver.write(sequence)
