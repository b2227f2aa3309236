from __future__ import annotations

import pytest

from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import ghost_text, until
from tests.tui.fake_engine import FakeEngine


@pytest.mark.parametrize("theme", ["textual-dark", "solarized-light", "ansi-dark"])
async def test_no_color_means_none_and_the_cursor_is_seen(theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    chosen = Settings(theme=theme, automatic=False)
    app = LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile("x = 1\nyy"))], chosen=chosen)
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "answer")
        await pilot.pause()
        drawn = [segment for strip in app.screen._compositor.render_strips() for segment in strip if segment.style]
        styles = [segment.style for segment in drawn if segment.style]
        assert all(not style.color or style.color.is_default for style in styles)
        assert all(not style.bgcolor or style.bgcolor.is_default for style in styles)
        assert any(style.italic for style in styles), "the suggestion is told from the text"
        await pilot.press("escape", "down", "shift+right")
        await pilot.pause()
        marked = [
            s.text for strip in app.screen._compositor.render_strips() for s in strip if s.style and s.style.reverse
        ]
        assert "y" in "".join(marked) and len("".join(marked)) < 20
