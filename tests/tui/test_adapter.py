from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from textual.widgets import Input

from localcoder import settings
from localcoder.assembly import make_engine, usable
from localcoder.errors import LocalcoderError
from localcoder.paths import bundled_model
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.ask import AskLine
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, ghost_text, screen_text, until


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA for the bundled model that changes one matrix of it at random."""
    path = tmp_path / "mine.gguf"
    writer = gguf.GGUFWriter(path, "starcoder2")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    generator = np.random.default_rng(1)
    for part, shape in (("lora_a", (4, 256)), ("lora_b", (256, 4))):
        writer.add_tensor(f"blk.0.attn_q.weight.{part}", generator.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


async def test_an_adapter_goes_on_and_off(adapter: Path) -> None:
    app = LocalcoderApp(lambda model: make_engine(model, app.settings), [Opened(TextFile("import os\n\ndef f(path"))])
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor(editor.document.end)
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        without = ghost_text(app)
        await pilot.press("alt+l")
        await until(pilot, lambda: isinstance(app.screen, AskLine))
        app.screen.query_one(Input).value = str(adapter)
        await pilot.press("enter")
        await until(pilot, lambda: "+ mine.gguf" in screen_text(app) and app.engines.info)
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        assert ghost_text(app) != without
        await pilot.press("alt+l")
        await until(pilot, lambda: "+ mine.gguf" not in screen_text(app) and app.engines.info)
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == without)
        assert settings.load(environ={}).adapter == str(adapter)
        assert not settings.load(environ={}).adapter_on


async def test_a_file_that_is_no_adapter_is_asked_for_again_and_not_kept(tmp_path: Path) -> None:
    missing, model = str(tmp_path / "none.gguf"), str(bundled_model())
    app = LocalcoderApp(lambda model: make_engine(model, app.settings), [Opened(TextFile("x = 1\n"))])
    async with app.run_test(size=(160, 30), notifications=True) as pilot:
        await pilot.press("alt+l")
        for wrong, what in ((missing, "There is no adapter file"), (model, "is no LoRA adapter")):
            await until(pilot, lambda: isinstance(app.screen, AskLine))
            asked = app.screen
            field = asked.query_one(Input)
            field.value = wrong
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, AskLine) and app.screen is not asked)  # noqa: B023
            await until(pilot, lambda: any(what in notice.message for notice in app._notifications))  # noqa: B023
            assert app.screen.query_one(Input).value == wrong
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app))
        assert settings.load(environ={}).adapter == ""
        await until(pilot, lambda: app.engines.info)


def test_a_setting_that_names_a_file_names_it_in_every_directory(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adapter.parent)
    assert usable("adapter", "mine.gguf") == str(adapter)
    assert usable("adapter", "mine.gguf:0.5") == f"{adapter}:0.5"
    with pytest.raises(LocalcoderError):
        usable("model", "no-such-model")
