"""What is to be distrusted in a suggestion, as the app shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from localcoder.checks.finding import Finding
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, ghost_text, screen_text, until
from tests.tui.fake_engine import FakeEngine

TEXT = "def f(a):\n    return a\n"
MANUAL = Settings(automatic=False)


@asynccontextmanager
async def editing(answers: list[str], path: Path, settings: Settings = MANUAL) -> AsyncIterator[Pilot[None]]:
    app = LocalcoderApp(lambda model: FakeEngine(answers), [Opened(TextFile(TEXT), path)], chosen=settings)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        edit_screen(app).editor.move_cursor((1, 11))
        yield pilot


def app_of(pilot: Pilot[None]) -> LocalcoderApp:
    assert isinstance(pilot.app, LocalcoderApp)
    return pilot.app


def is_said(pilot: Pilot[None], words: str) -> bool:
    return words in screen_text(app_of(pilot))


def marked(pilot: Pilot[None]) -> list[str]:
    ghost = edit_screen(app_of(pilot)).editor.ghost
    assert ghost is not None
    return [ghost.text[start:end] for start, end, name in ghost.spans if name == "ghost--finding"]


async def test_a_finding_is_marked_and_said_with_its_reason(tmp_path: Path) -> None:
    async with editing(["missing + other + "], tmp_path / "a.py") as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: is_said(pilot, "⚠ `missing` is not defined (and 1 more: F4)"))
        assert marked(pilot) == ["missing", "other"]
        assert is_said(pilot, "tok/s")
        await pilot.press("f4")
        await until(pilot, lambda: is_said(pilot, "Generated code may be wrong, insecure"))
        await until(
            pilot, lambda: is_said(pilot, "2:12  `missing` is not defined. The file neither defines nor imports it.")
        )
        await pilot.press("escape", "tab")
        await pilot.pause()
        assert edit_screen(app_of(pilot)).editor.text == "def f(a):\n    return missing + other + a\n"


async def test_marks_follow_what_is_typed_along(tmp_path: Path) -> None:
    async with editing(["a or missing or "], tmp_path / "a.py") as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: is_said(pilot, "⚠ `missing`"))
        await pilot.press("a", "space")
        assert ghost_text(app_of(pilot)) == "or missing or "
        assert marked(pilot) == ["missing"]


async def test_each_alternative_has_its_own(tmp_path: Path) -> None:
    async with editing(["missing + ", "1 + "], tmp_path / "a.py") as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: is_said(pilot, "⚠"))
        await pilot.press("f8")
        await until(pilot, lambda: is_said(pilot, "2 of 2"))
        assert not is_said(pilot, "⚠")
        assert marked(pilot) == []
        await pilot.press("f7")
        await until(pilot, lambda: is_said(pilot, "1 of 2"))
        assert is_said(pilot, "⚠ `missing` is not defined")
        assert marked(pilot) == ["missing"]


@pytest.mark.parametrize("where", ["from the start", "while the app runs"])
async def test_a_setting_turns_it_off(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def look_at(*change: object) -> tuple[Finding, ...]:
        asked.append(change)
        return ()

    monkeypatch.setattr("localcoder.tui.controllers.checking.look_at", look_at)
    at_start = Settings(automatic=False, checks=where != "from the start")
    async with editing(["missing + "], tmp_path / "a.py", at_start) as pilot:
        if at_start.checks:
            app_of(pilot).live_settings.change("checks", False)
        await pilot.press("f5")
        await until(pilot, lambda: is_said(pilot, "tok/s"))
        await pilot.pause()
    assert asked == []
