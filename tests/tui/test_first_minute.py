"""The sample of the first start: the bundled model is right at its places, and the app leads from one to the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localcoder.assembly import make_options
from localcoder.completion.complete import Completion, complete
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.local import LocalEngine
from localcoder.models import memory_fit, store
from localcoder.models.first_model import first_model
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.start import begin
from tests.tui.driving import edit_screen, ghost_text, screen_text, until
from tests.tui.fake_engine import FakeEngine

_RIGHT = ("key, default", "*args, **kwargs", "path):", "text")
"""The first line that belongs at each place."""


async def test_the_bundled_model_is_right_at_each_place() -> None:
    start = begin(None, restore=True)
    text, session = start.buffers[0].content.text, PromptSession()
    assert len(start.tour) == len(_RIGHT)
    engine = LocalEngine(store.resolve(None))
    options = replace(make_options(Settings()), logprobs=True)
    try:
        for behind, right in zip(start.tour, _RIGHT, strict=True):
            assert text.endswith(behind)
            place = len(text) - len(behind)
            async for update in complete(Document(text, place), engine, options, session):
                if isinstance(update, Completion):
                    assert update.text.partition("\n")[0] == right, f"{text[:place][-60:]!r} {update.text!r}"
                    assert (update.first_line_confidence or 0) > Settings().least_confidence
                    text = text[:place] + update.text + behind
    finally:
        await engine.close()


async def test_what_is_taken_leads_to_the_next_place() -> None:
    start = begin(None, restore=True)
    app = LocalcoderApp(lambda model: FakeEngine(["one two\n  three"]), start.buffers, tour=start.tour)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        editor = edit_screen(app).editor
        rows = []
        for keys in (("tab",), ("ctrl+right",) * 3, ("ctrl+down",) * 2, ("tab",)):
            await until(pilot, lambda: ghost_text(app) == "one two\n  three" and "tok/s" in screen_text(app))
            rows.append(editor.cursor_location[0])
            await pilot.press(*keys)
            assert ghost_text(app) == ""
        assert rows == sorted(set(rows)) and editor.text.count("one two\n  three") == 4


async def test_who_types_is_left_alone() -> None:
    start = begin(None, restore=True)
    app = LocalcoderApp(lambda model: FakeEngine(), start.buffers, tour=start.tour)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("x", "escape")
        screen = edit_screen(app)
        assert not screen._tour.is_on
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("tab")
        assert screen.editor.cursor_location[1] > 0 and "xanswer" in screen.editor.text


async def test_a_real_model_is_offered_once_and_only_where_there_is_none() -> None:
    start = begin(None, restore=True)
    app = LocalcoderApp(lambda model: FakeEngine(), start.buffers, tour=start.tour)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "F2 gets it" in screen_text(app) or "F2 says" in screen_text(app))
        app.clear_notifications()
        await pilot.press("f5")
        await until(pilot, lambda: not edit_screen(app).completing.is_running)
        await pilot.pause()
        assert "F2 gets it" not in screen_text(app)


def test_the_offer_names_size_time_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_fit, "gpus", lambda: ())
    monkeypatch.setattr(memory_fit, "default_threads", lambda: 2)
    monkeypatch.setattr("localcoder.models.first_model.available_bytes", lambda: 16_000_000_000)
    text = first_model(4_364)
    assert "starcoder2:3b" in text and "1.8 GB" in text and "2 minutes at 100 Mbit/s" in text
    assert "some 24 tokens a second" in text and text.endswith("F2 gets it.")
    monkeypatch.setattr("localcoder.models.first_model.available_bytes", lambda: 100_000_000)
    assert "too little for StarCoder2 3B" in first_model(4_364)
