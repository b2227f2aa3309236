"""The app's main flows with the real engine on the bundled model."""

from __future__ import annotations

from pathlib import Path

from localcoder.engine.local import LocalEngine
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, ghost_text, screen_text, until

_BEFORE = '''import os


def list_files(path):
    """Return the names of all files in a directory."""
    result = []
    for name in os.listdir(path):
        '''
_AFTER = "\n    return result\n"
_CODE = _BEFORE + _AFTER


async def test_a_completion_streams_in_is_accepted_and_saved(demo_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "files.py"
    app = LocalcoderApp(lambda model: LocalEngine(demo_model, n_threads=1), [Opened(TextFile(_CODE), path)])
    async with app.run_test(notifications=True) as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor((7, 8))
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        assert "demonstration model" in screen_text(app)
        suggested = ghost_text(app)
        assert suggested.strip()
        await pilot.press("tab", "ctrl+s")
        await until(pilot, path.exists)
        assert path.read_text() == _BEFORE + suggested + _AFTER


async def test_the_second_request_reuses_what_was_read(demo_model: Path) -> None:
    app = LocalcoderApp(lambda model: LocalEngine(demo_model, n_threads=1), [Opened(TextFile(_CODE))])
    async with app.run_test(notifications=True) as pilot:
        edit_screen(app).editor.move_cursor((7, 8))
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        await pilot.press("escape", "i", "f5")
        await until(pilot, lambda: "reused" in screen_text(app))


async def test_a_broken_model_is_a_notice_and_the_buffer_stays(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and then nothing")
    app = LocalcoderApp(lambda model: LocalEngine(broken), [Opened(TextFile(_CODE))])
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "broken.gguf" in screen_text(app))
        assert edit_screen(app).editor.text == _CODE
