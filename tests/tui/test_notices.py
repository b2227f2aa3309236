"""Notices, and what is opened over them."""

from __future__ import annotations

import pytest

from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


@pytest.mark.parametrize("key", ["f1", "f2", "f4", "f10", "ctrl+p", "ctrl+g", "ctrl+l", "alt+slash"])
async def test_a_notice_does_not_stand_over_a_screen_that_was_asked_for(key: str) -> None:
    app = make_app(FakeEngine(), "x = 1\n")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: edit_screen(app).completing.last)
        app.notify("something to know", timeout=30)
        await until(pilot, lambda: "something to know" in screen_text(app))
        await pilot.press(key)
        await until(pilot, lambda: app.screen is not edit_screen(app))
        await until(pilot, lambda: "something to know" not in screen_text(app))
