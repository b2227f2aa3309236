from __future__ import annotations

from pathlib import Path

import pytest

from localcoder import paths
from localcoder.completion.complete import Completion
from localcoder.completion.edits import Edit, Range
from localcoder.engine.api import Stats
from localcoder.engine.local import LocalEngine
from localcoder.models import store
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import read_text_file
from localcoder.tui.screens.compare import speed_verdict
from localcoder.tui.start import Opened
from localcoder.tui.text.difference import agreement, marked
from tests.tui.driving import edit_screen, screen_text, until


def test_what_differs_is_marked() -> None:
    left, right = marked("return a + b", "return c + b", "bold")
    assert [left.plain[span.start : span.end] for span in left.spans] == ["a"]
    assert [right.plain[span.start : span.end] for span in right.spans] == ["c"]
    assert agreement("a b", "a b") == 1.0
    assert 0 < agreement("a b", "a c") < 1


@pytest.fixture
def second_model(demo_model: Path, tmp_path: Path) -> store.Installed:
    path = tmp_path / "second-Q8_0.gguf"
    path.write_bytes(demo_model.read_bytes())
    return store.add(path)


async def test_two_models_side_by_side(second_model: store.Installed) -> None:
    sample = paths.assets_dir() / "samples" / "shelf.py"
    app = LocalcoderApp(lambda model: LocalEngine(store.resolve(model)), [Opened(read_text_file(sample))])
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        edit_screen(app).editor.move_cursor((39, 16))
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f9")
        await until(pilot, lambda: "Compare with which" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "The same text" in screen_text(app))
        assert "nano-Q8_0" in screen_text(app)
        assert "second-Q8_0" in screen_text(app)
        assert screen_text(app).count("tok/s") >= 2
        await pilot.press("u")
        await until(pilot, lambda: app.engines.info is not None and "second" in app.engines.info.name)
        assert app.settings.model == str(second_model.path)


def _wrote(model: str, tokens_per_s: float) -> Completion:
    return Completion(Edit(Range(0, 0), "text"), "end", Stats(10, 0, 20, 0.1, tokens_per_s, 1.0), model, (), ())


def test_the_speed_of_two_models_is_called_different_where_it_is() -> None:
    assert speed_verdict(_wrote("a", 10.0), _wrote("b", 11.0)) == "Both write about as fast."
    assert speed_verdict(_wrote("a", 10.0), _wrote("b", 20.0)) == "b writes 2.0 times as fast."
    assert speed_verdict(_wrote("a", 10.0), _wrote("b", 0.0)) == ""


async def test_one_model_alone_cannot_be_compared(demo_model: Path) -> None:
    app = LocalcoderApp(lambda model: LocalEngine(demo_model, n_threads=1))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f9")
        await until(pilot, lambda: "only one model" in screen_text(app))
