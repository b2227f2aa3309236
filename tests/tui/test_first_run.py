from __future__ import annotations

from pathlib import Path

import pytest

from localcoder.engine.local import LocalEngine
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.start import begin
from tests.tui.driving import edit_screen, ghost_text, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.terminal import terminal


def test_the_first_start_shows_what_the_app_does() -> None:
    with terminal() as term:
        term.until("tok/s")
        term.until("F2 gets it")
        assert "demonstration model" in term.text
        term.send("\x11")
        assert term.ended() == 0
    with terminal() as term:
        term.until("Type or paste")


def test_a_named_file_is_no_demonstration(tmp_path: Path) -> None:
    assert not begin(tmp_path / "new.py", restore=True).tour


async def test_without_a_model_file_it_says_what_to_do(tmp_path: Path) -> None:
    app = LocalcoderApp(lambda model: LocalEngine(tmp_path / "none.gguf"), begin(None, restore=True).buffers)
    async with app.run_test(notifications=True, size=(100, 30)) as pilot:
        await until(pilot, lambda: "none.gguf" in screen_text(app))
        await pilot.press("x")
        assert edit_screen(app).buffers.front.is_modified


@pytest.mark.parametrize("size", [(20, 5), (5, 3), (1, 1)])
async def test_a_tiny_window_is_no_reason_to_fail(size: tuple[int, int]) -> None:
    app = make_app(FakeEngine(["answer\nand\nmore"]), "def f():\n    pass\n" * 10)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("tab", "f1", "escape", "f2", "escape", "ctrl+f", "escape")
        assert edit_screen(app).editor.text.startswith("answer")


def test_without_colours_the_sample_is_still_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "vt100")
    with terminal(term="vt100") as term:
        term.until("tok/s")
