"""Settings, help, palette, keys: all from the one table of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Static, Switch

from localcoder import settings
from localcoder.errors import LocalcoderError
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.commands import COMMANDS
from localcoder.tui.files import TextFile
from localcoder.tui.screens.help import HelpScreen
from localcoder.tui.screens.settings import SettingsScreen
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


async def test_a_changed_setting_is_applied_and_written() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await pilot.press("f10")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        app.screen.query_one("#line_numbers", Switch).toggle()
        await until(pilot, lambda: not edit_screen(app).editor.show_line_numbers)
        tokens = app.screen.query_one("#max_tokens", Input)
        tokens.focus()
        tokens.value = "12"
        await pilot.press("enter")
        await until(pilot, lambda: app.settings.max_tokens == 12)
        loaded = settings.load(environ={})
        assert (loaded.line_numbers, loaded.max_tokens) == (False, 12)
        assert edit_screen(app).completing.options.max_tokens == 12


async def test_another_model_in_the_settings_is_loaded_when_they_are_left(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.touch()
    asked: list[str | None] = []

    def factory(model: str | None) -> FakeEngine:
        asked.append(model)
        return FakeEngine()

    app = LocalcoderApp(factory)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f10")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        app.screen.query_one("#model", Input).focus()
        await pilot.press(*"none", "escape")
        await until(pilot, lambda: "There is no model named" in screen_text(app))
        assert app.settings.model == ""
        app.screen.query_one("#model", Input).value = str(other)
        await pilot.press("escape")
        await until(pilot, lambda: asked == [None, str(other)])


async def test_what_the_settings_refused_does_not_keep_anyone_there() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("f10")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        app.screen.query_one("#adapter", Input).focus()
        await pilot.press(*"none", "escape")
        await until(pilot, lambda: "There is no adapter file" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app))
        assert app.settings.adapter == ""


async def test_the_setting_that_has_the_focus_stands_out() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("f10")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        rows = list(app.screen.query(".row"))
        for _ in range(3):
            await pilot.press("tab")
            shown = [row.styles.background for row in rows if row.has_pseudo_class("focus-within")]
            others = {row.styles.background for row in rows if not row.has_pseudo_class("focus-within")}
            assert len(shown) == 1 and shown[0] not in others


async def test_a_theme_from_the_palette_is_kept() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(100, 40)) as pilot:
        app.theme = "nord"
        await until(pilot, lambda: app.settings.theme == "nord")
        assert settings.load(environ={}).theme == "nord"


async def test_keys_can_be_remapped_by_id() -> None:
    chosen = Settings(keys={"completion.ask": "f3"}, automatic=False)
    app = LocalcoderApp(lambda model: FakeEngine(["answer"]), [Opened(TextFile("x"))], chosen=chosen)
    async with app.run_test() as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: edit_screen(app).editor.ghost)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


def test_a_key_for_an_unknown_command_gets_the_nearest_one() -> None:
    with pytest.raises(LocalcoderError) as caught:
        LocalcoderApp(lambda model: FakeEngine(), chosen=Settings(keys={"file.sav": "f3"}))
    assert caught.value.todo == "Did you mean `file.save`?"


def _first_rows(app: LocalcoderApp) -> str:
    """What stands in the help before its first heading."""
    return screen_text(app).partition("First of all")[0]


async def test_help_begins_with_where_one_is() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(110, 60)) as pilot:
        await pilot.press("f1")
        await until(pilot, lambda: "Accept the suggestion" in screen_text(app))
        assert "Here" not in screen_text(app)
        await pilot.press("escape", "ctrl+f", "f1")
        await until(pilot, lambda: "Here" in screen_text(app) and "alt+r" in _first_rows(app))
        assert "Regex" in _first_rows(app)


@pytest.mark.parametrize("key", ["f1", "alt+h"])
async def test_the_key_that_opens_help_closes_it(key: str) -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press(key)
        await until(pilot, lambda: app.screen is edit_screen(app))


async def test_help_finds_what_one_wants_to_do_and_speaks_of_no_ids() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(110, 40)) as pilot:
        await pilot.press("alt+h")
        await until(pilot, lambda: "First of all" in screen_text(app))
        assert "ghost.accept" not in screen_text(app)
        await pilot.press(*"dedent lines")
        await until(pilot, lambda: "First of all" not in screen_text(app))
        assert "shift+tab" in screen_text(app) and "Comment" not in screen_text(app)
        await pilot.press(*"xyz")
        await until(pilot, lambda: "Nothing here" in screen_text(app))
        await pilot.press("escape", "f10", *["shift+tab"], "end")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        assert any("ghost.accept_word" in str(line.content) for line in app.screen.query(".command").results(Static))


async def test_the_footer_offers_what_the_moment_does() -> None:
    app = make_app(FakeEngine(), "text")

    def footer() -> str:
        return screen_text(app).splitlines()[-1]

    async with app.run_test(size=(120, 20)) as pilot:
        await until(pilot, lambda: "Complete" in footer() and "Quit" in footer())
        assert "Accept" not in footer()
        await pilot.press("f5")
        await until(pilot, lambda: all(word in footer() for word in ("Accept", "Word", "Line", "Dismiss", "Help")))
        assert "Save" not in footer()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Replace all" in footer() and "Regex" in footer())
        assert "Save" not in footer() and "Accept" not in footer()
        await pilot.press("escape", "ctrl+f")
        await until(pilot, lambda: "Regex" in footer())
        assert "Replace all" not in footer()


async def test_the_palette_runs_commands_of_every_scope() -> None:
    app = make_app(FakeEngine(), "a\nb\n")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("alt+e", *"comment lines", "enter")
        await until(pilot, lambda: edit_screen(app).editor.text == "# a\nb\n")
        await pilot.press("alt+e", *"settings", "enter")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))


def test_the_table_of_commands_is_of_one_piece() -> None:
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)
    keys = [key for command in COMMANDS for key in command.keys.split(",") if key]
    assert len(set(keys)) == len(keys)
    assert all(command.help.endswith((".", ")", "…")) for command in COMMANDS)
