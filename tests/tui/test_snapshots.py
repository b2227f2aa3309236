"""What the app looks like: three sizes, three kinds of colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from localcoder import paths
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import ghost_text, screen_text, until
from tests.tui.fake_engine import FakeEngine

_GHOST = 'root / "shelf.json")\n    if not path.exists():\n        return Shelf()\n    # 世界\n    return path'


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark"])
def test_a_suggestion_in_the_sample(size: tuple[int, int], theme: str, snap_compare: Callable[..., bool]) -> None:
    sample = TextFile((paths.assets_dir() / "samples" / "shelf.py").read_text(encoding="utf-8"))
    chosen = Settings(theme=theme, mode="free", automatic=False, checks=False)
    opened = [Opened(sample, Path("shelf.py"), None, 39, 16)]
    app = LocalcoderApp(lambda model: FakeEngine([_GHOST]), opened, chosen=chosen)

    async def ask(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) and "tok/s" in screen_text(app))
        await pilot.pause()

    assert snap_compare(app, run_before=ask, terminal_size=size)


@pytest.mark.parametrize("key", ["f1", "f2", "f10"])
def test_a_screen_over_it(key: str, snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcoder.models.memory_fit.available_bytes", lambda: 16_000_000_000)
    monkeypatch.setattr("localcoder.models.memory_fit.default_threads", lambda: 2)
    monkeypatch.setattr("localcoder.models.memory_fit.gpus", lambda: ())
    monkeypatch.setattr("localcoder.tui.screens.settings.settings_file", lambda: Path("settings.toml"))
    app = LocalcoderApp(lambda model: FakeEngine(), chosen=Settings(automatic=False))

    async def open_it(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.engines.info)
        await pilot.press(key)
        await pilot.pause(0.3)
        for field in app.screen.query(Input):
            field.cursor_blink = False

    assert snap_compare(app, run_before=open_it, terminal_size=(80, 24))
