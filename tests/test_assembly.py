"""Settings, command line and a model's name become options and an engine, in one place for all faces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localcoder.assembly import make_engine, make_options
from localcoder.engine.api import Lora
from localcoder.errors import LocalcoderError
from localcoder.models.references import LocalModel, RemoteModel
from localcoder.models.store import refer
from localcoder.settings import Settings


def test_what_is_not_given_is_as_in_the_settings() -> None:
    settings = Settings(mode="line", max_tokens=7, temperature=0.5)
    options = make_options(settings)
    assert (options.mode, options.max_tokens, options.sampling.temperature) == ("line", 7, 0.5)
    given = make_options(settings, mode="free", max_tokens=9, temperature=0.0, seed=3)
    assert (given.mode, given.max_tokens) == ("free", 9)
    assert (given.sampling.temperature, given.sampling.seed) == (0.0, 3)


def test_a_reference_is_data(demo_model: Path) -> None:
    assert refer(str(demo_model)) == LocalModel(demo_model)
    assert refer("http://box:8012") == RemoteModel("http://box:8012")
    make_engine(LocalModel(demo_model), Settings())


def test_threads_are_no_more_than_the_machine_has(demo_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    init = "localcoder.engine.local.LocalEngine.__init__"
    monkeypatch.setattr(init, lambda self, path, **how: asked.append(how["n_threads"]))
    for settings, threads in ((Settings(), 5000), (Settings(threads=5000), None), (Settings(), 1), (Settings(), None)):
        make_engine(LocalModel(demo_model), settings, threads=threads)
    cores = os.cpu_count() or 1
    assert asked == [cores, cores, 1, None]


@pytest.mark.parametrize("url", ["http://box:8012", "https://box/v1"])
def test_a_server_is_refused_in_one_line(url: str) -> None:
    for settings, model in ((Settings(), url), (Settings(model=url), None), (Settings(), RemoteModel(url))):
        with pytest.raises(LocalcoderError, match="cannot be used yet") as caught:
            make_engine(model, settings)
        assert caught.value.exit_code == 2 and "\n" not in caught.value.what


def test_an_adapter_of_the_settings_that_makes_no_sense_is_told() -> None:
    with pytest.raises(LocalcoderError, match="not a scale"):
        make_engine(None, Settings(adapter="none.gguf:loud"))
    make_engine(None, Settings(adapter="none.gguf:loud", adapter_on=False))
    make_engine(None, Settings(adapter="none.gguf:loud"), loras=[Lora("other.gguf")])
