"""All settings, with what each does; a change is applied at once and written to settings.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Select, Static, Switch

from localcoder import settings
from localcoder.errors import LocalcoderError
from localcoder.paths import settings_file
from localcoder.tui.commands import COMMANDS, keys_of
from localcoder.tui.live_settings import LiveSettings

_LOADED_WITH = frozenset(
    {
        "model", "adapter", "adapter_on", "threads", "idle_minutes", "power_saving",
        "stand_in", "allowed_hosts", "token_from", "server_ca", "server_proxy", "server_silence_s",
    }
)  # fmt: skip


class SettingsScreen(ModalScreen[bool]):
    """One row a setting. Gives whether the model has to be loaded anew."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close")]

    def __init__(self, live: LiveSettings) -> None:
        super().__init__()
        self._live = live
        self._needs_loading = False
        self._refused: dict[str | None, str] = {}

    def action_close(self) -> None:
        refused = {
            field.id: field.value for field in self.query(".row > Input").results(Input) if not self._take(field)
        }
        # Who has read why, and leaves again, leaves without it.
        if refused in ({}, self._refused):
            self.dismiss(self._needs_loading)
        self._refused = refused

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static(f"Settings, kept in {settings_file()}", id="title", markup=False)
            with VerticalScroll():
                for name in settings.names():
                    if name != "keys":
                        yield self._row(name, getattr(self._live.now, name))
                yield Static('Other keys for a command: [keys] in the file, like "file.save" = "f3". The commands:')
                for command in COMMANDS:
                    keys = keys_of(command, self._live.now.keys)
                    yield Static(f"{command.id:<24} {keys:<16} {command.label}", classes="command", markup=False)
            yield Static(id="problem", markup=False)
            yield Footer(compact=True, show_command_palette=False)

    def _row(self, name: str, value: Any) -> Horizontal:
        widget: Switch | Select[str] | Input
        if isinstance(value, bool):
            widget = Switch(value, id=name)
        elif choices := (tuple(sorted(self.app.available_themes)) if name == "theme" else settings.choices_of(name)):
            shown = value if value in choices else choices[0]
            widget = Select(
                [(choice, choice) for choice in choices], value=shown, allow_blank=False, id=name, compact=True
            )
        else:
            kind = "number" if isinstance(value, float) else "integer" if isinstance(value, int) else "text"
            widget = Input(str(value), type=kind, id=name, compact=True)  # type: ignore[arg-type]
        text = Text.assemble((name, "bold"), "\n", settings.help_of(name))
        return Horizontal(Static(text, classes="help"), widget, classes="row")

    @on(Switch.Changed)
    def _switched(self, event: Switch.Changed) -> None:
        self._set(event.switch.id, event.value)

    @on(Select.Changed)
    def _selected(self, event: Select.Changed) -> None:
        self._set(event.select.id, event.value)

    @on(Input.Submitted)
    @on(Input.Blurred)
    def _entered(self, event: Input.Submitted | Input.Blurred) -> None:
        self._take(event.input)

    def _take(self, field: Input) -> bool:
        """Set what was entered; False, with the reason shown, where that cannot be."""
        kind = type(getattr(self._live.now, field.id or ""))
        try:
            value = kind(field.value)
        except ValueError:
            self._say(f"{field.id}: {field.value!r} is not a number.")
            return False
        return self._set(field.id, value)

    def _set(self, name: str | None, value: Any) -> bool:
        assert name is not None
        if getattr(self._live.now, name) == value:
            return True
        try:
            self._live.change(name, value)
        except LocalcoderError as error:
            self._say(f"{error.what} {error.todo}")
            return False
        self._say("")
        self._needs_loading |= name in _LOADED_WITH
        return True

    def _say(self, problem: str) -> None:
        self.query_one("#problem", Static).update(problem)
