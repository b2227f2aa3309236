"""A model on a server, in the app: Inspect says where the prompt went, and files that stay here do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.tui.driving import ghost_text, make_app, screen_text, until
from tests.tui.fake_engine import INFO, FakeEngine

REMOTE = replace(INFO, host="box", name="starcoder2-15b")


async def test_inspect_says_where_the_prompt_went() -> None:
    app = make_app(FakeEngine(info_value=REMOTE), "x = ")
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("f4")
        await until(pilot, lambda: "starcoder2-15b, on box" in screen_text(app))
        assert "Prompt, as it was sent" in screen_text(app)


async def test_a_file_that_stays_here_is_not_sent(tmp_path: Path) -> None:
    engine = FakeEngine(info_value=REMOTE)
    app = make_app(engine, "TOKEN=", tmp_path / ".env")
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ".env is never sent to box" in screen_text(app))
        assert not engine.requests and not engine.warmed
