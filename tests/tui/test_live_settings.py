from __future__ import annotations

import pytest
from textual.app import App
from textual.widgets import Input, Switch

from localcoder import settings
from localcoder.errors import LocalcoderError
from localcoder.settings import Settings
from localcoder.tui.live_settings import LiveSettings
from localcoder.tui.screens.settings import SettingsScreen


def test_a_change_is_announced_when_it_is_made_and_written() -> None:
    live = LiveSettings(Settings())
    heard: list[tuple[str, int, int]] = []
    live.watch(lambda name: heard.append((name, live.now.max_tokens, settings.load(environ={}).max_tokens)))
    live.change("max_tokens", 12)
    assert heard == [("max_tokens", 12, 12)]


def test_what_cannot_be_written_is_not_changed() -> None:
    live = LiveSettings(Settings())
    heard: list[str] = []
    live.watch(heard.append)
    with pytest.raises(LocalcoderError):
        live.change("mode", "nonsense")
    assert (live.now, heard) == (Settings(), [])


async def test_the_settings_screen_needs_no_app_of_ours() -> None:
    app: App[None] = App()
    live = LiveSettings(Settings())
    async with app.run_test(size=(100, 40)) as pilot:
        await app.push_screen(SettingsScreen(live))
        app.screen.query_one("#line_numbers", Switch).toggle()
        app.screen.query_one("#max_tokens", Input).value = "12"
        await pilot.press("escape")
        await pilot.pause()
    assert (live.now.line_numbers, live.now.max_tokens) == (False, 12)
