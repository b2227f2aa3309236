"""Starting the app under test, and waiting for what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from localcoder.engine.api import Engine
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.screens.edit import EditScreen
from localcoder.tui.start import Opened

_WAIT_S = 20.0


def make_app(engine: Engine, text: str = "", path: Path | None = None) -> LocalcoderApp:
    return LocalcoderApp(lambda model: engine, [Opened(TextFile(text), path)])


def edit_screen(app: LocalcoderApp) -> EditScreen:
    screen = app.screen_stack[0]
    assert isinstance(screen, EditScreen)
    return screen


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = _WAIT_S) -> None:
    """Wait for something to come true."""
    waited = 0.0
    while not condition():
        assert waited < seconds, "it did not happen"
        await pilot.pause(0.02)
        waited += 0.02


def ghost_text(app: LocalcoderApp) -> str:
    ghost = edit_screen(app).editor.ghost
    return ghost.text if ghost else ""


def screen_text(app: LocalcoderApp) -> str:
    """What is on the screen, row by row."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips()[: app.size.height])
