"""What the app's own styles make of the themes' colours: to be read, each text needs some contrast."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES
from textual.widgets import Footer

from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.screens.settings import SettingsScreen
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, ghost_text, until
from tests.tui.fake_engine import FakeEngine

_LEAST = 3.0
"""WCAG 2.1 asks for it of large text and of what is not all-important."""


@pytest.mark.parametrize("theme", [name for name in BUILTIN_THEMES if not name.startswith("ansi")])
async def test_suggestions_and_the_footer_can_be_read(theme: str) -> None:
    chosen = Settings(theme=theme, automatic=False)
    app = LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile("x = 1"))], chosen=chosen)
    async with app.run_test(size=(120, 20)) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "answer")
        await pilot.pause()
        _can_be_read(app, edit_screen(app).editor.region.y, {"answer", "nswer"})
        _can_be_read(app, app.screen.query_one(Footer).region.y, {"Accept", "tab", "Dismiss"})
        await pilot.press("escape", "f10")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        await pilot.pause()
        _can_be_read(app, app.screen.query_one(Footer).region.y, {"Close", "esc"})


def _can_be_read(app: LocalcoderApp, row: int, words: set[str]) -> None:
    found = 0
    for segment in app.screen._compositor.render_strips()[row]:
        if any(word in segment.text for word in words) and segment.style:
            color, background = segment.style.color, segment.style.bgcolor
            assert color and background
            found += 1
            contrast = _contrast(Color.from_rich_color(color), Color.from_rich_color(background))
            assert contrast >= _LEAST, (segment.text, contrast)
    assert found


def _contrast(one: Color, other: Color) -> float:
    """As WCAG defines it: from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b)
