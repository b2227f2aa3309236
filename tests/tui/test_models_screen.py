from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from converters.recipes import RECIPES, needs_imatrix, tensor_type
from localcoder import paths
from localcoder.engine.local import LocalEngine
from localcoder.models import catalog, licence, store
from localcoder.models.memory_fit import advise
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.ask import AskLine, Choose, PickOne
from localcoder.tui.dialogs.card import CardScreen, card_of
from localcoder.tui.files import TextFile
from localcoder.tui.screens.models import ModelsScreen
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, screen_text, until


def app_on_store() -> LocalcoderApp:
    return LocalcoderApp(lambda model: LocalEngine(store.resolve(model)), [Opened(TextFile("def f():\n"))])


async def test_it_lists_what_is_here_and_what_is_available() -> None:
    app = app_on_store()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f2")
        await until(pilot, lambda: "● nano" in screen_text(app))
        text = screen_text(app)
        assert "starcoder2:3b" in text
        assert "to pull" in text
        assert "bundled" in text
        assert "fits" in text
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app))


@pytest.fixture
def elsewhere(demo_model: Path, tmp_path: Path) -> Path:
    """A model file that lies outside of the models directory."""
    path = tmp_path / "other-Q8_0.gguf"
    path.write_bytes(demo_model.read_bytes())
    return path


async def test_a_file_is_added_used_and_forgotten(elsewhere: Path) -> None:
    app = app_on_store()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f2", "a")
        await until(pilot, lambda: isinstance(app.screen, AskLine))
        app.screen.query_one(Input).value = str(elsewhere)
        await pilot.press("enter")
        await until(pilot, lambda: "other-Q8_0" in screen_text(app) and isinstance(app.screen, ModelsScreen))
        await pilot.press("enter")
        await until(pilot, lambda: app.engines.info is not None and "other" in app.engines.info.name)
        assert "demonstration" not in screen_text(app)
        await pilot.press("f2")
        await until(pilot, lambda: "● other" in screen_text(app))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: [model.name for model in store.installed()] == ["nano"])


def _moved(path: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return path.rename(target)


async def test_a_file_that_cannot_be_added_is_asked_for_again(elsewhere: Path) -> None:
    app = app_on_store()
    wrong, right = str(elsewhere) + "x", _moved(elsewhere, elsewhere.with_name("mine.gguf"))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("f2", "a")
        await until(pilot, lambda: isinstance(app.screen, AskLine))
        asked = app.screen
        asked.query_one(Input).value = wrong
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AskLine) and app.screen is not asked)
        assert app.screen.query_one(Input).value == wrong
        app.screen.query_one(Input).value = str(right)
        await pilot.press("enter")
        # Its name has no type: that is in the file.
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen) and re.search(r"mine +Q8_0", screen_text(app)))
        await until(pilot, lambda: "d Delete" in screen_text(app))
        await pilot.press("up")
        await until(pilot, lambda: "d Delete" not in screen_text(app))


async def test_a_long_path_can_be_read_before_it_is_deleted(elsewhere: Path) -> None:
    inside = _moved(elsewhere, paths.models_dir() / ("a-model-with-a-name-of-its-own" * 4 + ".gguf"))
    app = app_on_store()
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("f2")
        await until(pilot, lambda: "a-model-with" in screen_text(app))
        await pilot.press("down", "d")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        inner = "".join(row[10:-10].strip(" \u2502") for row in screen_text(app).splitlines())
        assert "".join(str(inside).split()) in inner.replace(" ", "")


async def test_a_checkpoint_is_converted_from_here(shared: Path) -> None:
    app = app_on_store()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("f2", "c")
        await until(pilot, lambda: isinstance(app.screen, AskLine))
        app.screen.query_one(Input).value = str(shared / "nano")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PickOne))
        await pilot.press("enter")
        await until(pilot, lambda: "nano-Q4_K_M" in screen_text(app) and "here" in screen_text(app), 30)
        assert [model.name for model in store.installed()] == ["nano", "nano-Q4_K_M"]


async def test_what_is_no_checkpoint_is_a_notice(tmp_path: Path) -> None:
    app = app_on_store()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("f2", "c")
        await until(pilot, lambda: isinstance(app.screen, AskLine))
        app.screen.query_one(Input).value = str(tmp_path)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PickOne))
        await pilot.press("enter")
        await until(pilot, lambda: app.model_job.state.error)


async def test_the_licence_is_agreed_to_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[str] = []
    app = app_on_store()
    monkeypatch.setattr(app.model_job, "pull", lambda entry: pulled.append(entry.name))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("f2")
        for number, question in enumerate(("Agree and pull", "Pull"), 1):
            await until(pilot, lambda: isinstance(app.screen, ModelsScreen) and "starcoder2:3b" in screen_text(app))
            await pilot.press("home", "down", "enter")
            await until(pilot, lambda: isinstance(app.screen, Choose))
            assert question in screen_text(app)
            assert ("OpenRAIL-M" in screen_text(app)) == (number == 1)
            # The licence itself is not agreed to by one Enter too many.
            await pilot.press(*["tab"] * (number == 1), "enter")
            await until(pilot, lambda: len(pulled) == number)  # noqa: B023 (it is waited for here)
        assert licence.is_accepted()


async def test_the_recommended_one_is_marked_and_figures_card_and_licence_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("localcoder.models.memory_fit.available_bytes", lambda: 16_000_000_000)
    app = app_on_store()
    async with app.run_test(size=(110, 40)) as pilot:
        await pilot.press("f2")
        best = advise(16_000_000_000).entry
        assert best is not None
        await until(pilot, lambda: f"★ {best.name}" in screen_text(app))
        await reached(pilot, app, best.name)
        await until(pilot, lambda: "★ Recommended here" in screen_text(app) and "HumanEval" in screen_text(app))
        await pilot.press("i")
        await until(pilot, lambda: f"Made from {best.checkpoint}" in screen_text(app))
        assert "OpenRAIL-M" in card_of(best.checkpoint, None)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        await reached(pilot, app, "nano")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, CardScreen) and "nano" in screen_text(app))


async def test_a_type_that_nobody_published_is_made_from_the_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path | str, str]] = []
    app = app_on_store()
    monkeypatch.setattr(app.model_job, "convert", lambda checkpoint, kind: asked.append((checkpoint, kind)))
    licence.accept()
    async with app.run_test(size=(110, 40)) as pilot:
        await pilot.press("f2")
        await until(pilot, lambda: "to convert" in screen_text(app))
        await reached(pilot, app, "starcoder2:15b-iq4_xs")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        assert "63.8 GB" in screen_text(app) and "OpenRAIL-M" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: asked == [("bigcode/starcoder2-15b", "IQ4_XS")])


def test_what_can_be_made_needs_no_importance_matrix_and_is_not_published() -> None:
    published = {entry.name for entry in catalog.ALL_ENTRIES}
    for made in catalog.CONVERTIBLE:
        assert made.name not in published
        recipe = RECIPES[made.type_name]
        size = made.checkpoint.size
        for layer in range(size.layers):
            for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"):
                name = f"blk.{layer}.{part}.weight"
                kind = tensor_type(recipe, name, (4096, 4096), layers=size.layers, gqa=12, tied=False, imatrix=False)
                assert not needs_imatrix(made.type_name, name, kind)
        bits = made.size_bytes * 8 / size.parameters
        assert 3 < bits < 4.6


async def reached(pilot: Pilot[None], app: LocalcoderApp, name: str) -> None:
    """Go to the row of that model."""
    screen = app.screen
    assert isinstance(screen, ModelsScreen)
    await pilot.press("ctrl+home")
    for _ in range(30):
        row = screen._current()
        if row is not None and row.name == name:
            return
        await pilot.press("down")
    raise AssertionError(f"no {name}:\n{screen_text(app)}")
