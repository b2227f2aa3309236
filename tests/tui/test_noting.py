"""What becomes of suggestions in the app, as it is noted where the settings want it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from localcoder.evaluate.acceptance import watch
from localcoder.evaluate.acceptance.log import log_file, read_log
from localcoder.evaluate.acceptance.record import Record
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, ghost_text, screen_text, until
from tests.tui.fake_engine import FakeEngine

ANSWER = "value = 1\nother = 2"
ON = Settings(log_acceptance=True, automatic=False)


@asynccontextmanager
async def typing(engine: FakeEngine, settings: Settings = ON) -> AsyncIterator[Pilot[None]]:
    app = LocalcoderApp(lambda model: engine, [Opened(TextFile("a = 0\n"))], chosen=settings)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("ctrl+end")
        yield pilot


async def ask(pilot: Pilot[None], text: str = ANSWER) -> None:
    assert isinstance(pilot.app, LocalcoderApp)
    await pilot.press("f5")
    await until(pilot, lambda: ghost_text(pilot.app) == text and not edit_screen(pilot.app).completing.is_running)  # type: ignore[arg-type]


def only() -> Record:
    (record,) = read_log().records
    return record


@pytest.mark.parametrize(
    ("keys", "taken", "characters"),
    [
        (["tab"], "all", len(ANSWER)),
        (["ctrl+right", "escape"], "part", len("value")),
        (["ctrl+right", "ctrl+right", "x"], "part", len("value =")),
        (["ctrl+down", "ctrl+down"], "all", len(ANSWER)),
        (["ctrl+right", "tab"], "all", len(ANSWER)),
        (["escape"], "none", 0),
        (["x"], "none", 0),
        (["up"], "none", 0),
        ([*"val"], "none", 0),
        ([*"va", "tab"], "part", len(ANSWER) - 2),
        ([*"va", "escape"], "none", 0),
        (["tab", "ctrl+z"], "all", len(ANSWER)),
    ],
)
async def test_what_is_taken_by_a_key_counts(keys: list[str], taken: str, characters: int) -> None:
    async with typing(FakeEngine([ANSWER])) as pilot:
        await ask(pilot)
        await pilot.press(*keys)
        await pilot.pause()
    record = only()
    assert (record.taken, record.taken_characters) == (taken, characters)
    assert (record.characters, record.lines, record.face) == (len(ANSWER), 2, "app")
    assert (record.model, record.quantization, record.language) == ("fake", "Q8_0", "python")
    assert record.first_line_confidence == record.confidence == pytest.approx(2.718281828**-0.5, abs=1e-4)
    assert record.first_text_s is not None and record.whole_s is not None and record.first_text_s <= record.whole_s
    assert record.text is None and record.taken_text is None


async def test_what_is_ended_while_it_comes_is_noted_with_what_is_known() -> None:
    async with typing(FakeEngine([ANSWER], token_s=0.05)) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: len(ghost_text(pilot.app)) >= 3)  # type: ignore[arg-type]
        await pilot.press("escape")
        await pilot.pause()
    record = only()
    assert record.taken == "none" and 3 <= record.characters < len(ANSWER)
    assert record.whole_s is None and record.confidence is None and record.first_line_confidence is not None


async def test_each_alternative_that_is_shown_is_a_suggestion() -> None:
    async with typing(FakeEngine(["one", "two"])) as pilot:
        await ask(pilot, "one")
        await pilot.press("alt+right_square_bracket")
        await until(pilot, lambda: ghost_text(pilot.app) == "two")  # type: ignore[arg-type]
        await pilot.press("alt+left_square_bracket")
        await until(pilot, lambda: ghost_text(pilot.app) == "one")  # type: ignore[arg-type]
        await pilot.press("tab")
        await pilot.pause()
    assert [record.taken for record in read_log().records] == ["none", "none", "all"]


@pytest.mark.parametrize(
    ("keys", "stands"),
    [
        (["x"], True),
        (["ctrl+z"], False),
        (["ctrl+home", *"new", "enter"], True),
        (["ctrl+a", "delete"], False),
    ],
)
async def test_what_was_taken_is_looked_at_later(
    keys: list[str], stands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOKS_S", (0.6, 0.8))
    async with typing(FakeEngine([ANSWER])) as pilot:
        await ask(pilot)
        await pilot.press("tab", *keys)
        await until(pilot, lambda: log_file().exists())
    assert (only().stands_30s, only().stands_5min) == (stands, stands)


async def test_what_is_left_before_that_is_not_known() -> None:
    async with typing(FakeEngine([ANSWER])) as pilot:
        await ask(pilot)
        await pilot.press("tab")
    assert only().taken == "all" and only().stands_30s is None and only().stands_5min is None


async def test_nothing_is_noted_unless_it_is_wanted() -> None:
    async with typing(FakeEngine([ANSWER]), Settings(automatic=False)) as pilot:
        await ask(pilot)
        await pilot.press("tab")
    assert not log_file().exists()


async def test_the_text_is_kept_where_that_is_wanted() -> None:
    async with typing(FakeEngine([ANSWER]), Settings(log_acceptance=True, keep_text=True, automatic=False)) as pilot:
        await ask(pilot)
        await pilot.press("ctrl+down", "escape")
    record = only()
    assert (record.text, record.taken_text) == (ANSWER, "value = 1")


async def test_a_log_that_cannot_be_written_is_said_once_and_typing_goes_on() -> None:
    log_file().mkdir(parents=True)
    async with typing(FakeEngine(["x = 1"])) as pilot:
        for _ in range(3):
            await ask(pilot, "x = 1")
            await pilot.press("escape", "q", "enter")
            await pilot.pause(0.1)
        said = [notice.message for notice in pilot.app._notifications if "cannot be noted" in notice.message]
        assert said == ["What is taken of suggestions cannot be noted: Is a directory."]
        assert edit_screen(pilot.app).editor.text == "a = 0\n" + "q\n" * 3  # type: ignore[arg-type]


async def test_what_comes_by_itself_is_shown_only_when_it_is_sure_enough() -> None:
    engine = FakeEngine([ANSWER], logprob=-1.0)
    chosen = Settings(log_acceptance=True, least_confidence=0.5)
    async with typing(engine, chosen) as pilot:
        app = pilot.app
        assert isinstance(app, LocalcoderApp)
        await pilot.press("b")
        await until(pilot, lambda: engine.requests and not edit_screen(app).completing.is_running)
        assert ghost_text(app) == "" and "unsure: ^space or f5 shows it" in screen_text(app)
        await ask(pilot)
        ghost = edit_screen(app).editor.ghost
        assert ghost is not None and ghost.is_unsure
        await pilot.press("escape")
        app.live_settings.change("least_confidence", 0.3)
        await pilot.press("b")
        await until(pilot, lambda: ghost_text(app) == ANSWER)
        ghost = edit_screen(app).editor.ghost
        assert ghost is not None and not ghost.is_unsure
        await pilot.press("tab")
    found = read_log().records
    assert [record.taken for record in found] == ["hidden", "none", "all"]
    assert found[0].characters == len("value = 1")
    assert found[0].first_line_confidence == pytest.approx(2.718281828**-1, abs=1e-4)
