"""Which engine answers to which name, and what becomes of the others' memory."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.engine.api import ModelInfo
from localcoder.models.memory_fit import Fit, Verdict
from localcoder.serve.models import Models
from localcoder.serve.remarks import Remarks
from tests.completion.word_engine import WordEngine


class Loaded(WordEngine):
    """One that takes memory until it is told to give it back."""

    def __init__(self, path: Path, name: str = "") -> None:
        super().__init__()
        self.path, self.name = path, name or path.stem
        self.unloaded = 0
        self.is_closed = False

    async def info(self) -> ModelInfo:
        return replace(await super().info(), name=self.name, path=str(self.path))

    async def unload(self) -> None:
        self.unloaded += 1

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def files(tmp_path: Path, demo_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "localcoder" / "models"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        shutil.copy(demo_model, folder / f"{name}.gguf")
    monkeypatch.setattr("localcoder.paths.models_dir", lambda: folder)
    return folder


def models(files: Path, first: Loaded, fits: Verdict, monkeypatch: pytest.MonkeyPatch) -> tuple[Models, list[Loaded]]:
    started: list[Loaded] = []

    def start(path: Path) -> Loaded:
        started.append(Loaded(path))
        return started[-1]

    monkeypatch.setattr("localcoder.serve.models.fit_file", lambda model: Fit(fits, 1, 1, ""))
    return Models(first, start, Remarks()), started


async def test_a_model_is_loaded_beside_the_others_where_it_fits(
    files: Path, demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Loaded(demo_model, "nano-Q8_0")
    served, started = models(files, first, "fits", monkeypatch)
    assert await served.scheduler("") is await served.scheduler("nano-q8_0:latest") is served.first
    one = await served.scheduler("one")
    assert await served.scheduler("One.gguf") is one and one is not served.first
    assert await served.scheduler("two") not in (one, served.first)
    assert [engine.path.stem for engine in started] == ["one", "two"]
    assert not any(engine.unloaded for engine in (first, *started))
    assert [known.name for known in await served.known()] == ["nano-Q8_0", "one", "two"]
    assert (await served.about("two")).info is not None and (await served.about("gpt")).name == "nano-Q8_0"
    await served.close()
    assert [engine.is_closed for engine in (first, *started)] == [False, True, True]


async def test_where_it_does_not_fit_beside_them_they_take_turns_in_memory(
    files: Path, demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Loaded(demo_model, "nano-Q8_0")
    served, _ = models(files, first, "does not fit", monkeypatch)
    one = await served.scheduler("one")
    assert isinstance(one.engine, Loaded) and (first.unloaded, one.engine.unloaded) == (1, 0)
    assert await served.scheduler("one") is one and first.unloaded == 1
    assert await served.scheduler("") is served.first
    assert (first.unloaded, one.engine.unloaded) == (1, 1), "memory is given back before the other takes it"


async def test_a_name_that_is_not_here_is_the_first_ones_and_is_said_once(
    files: Path, demo_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served, started = models(files, Loaded(demo_model, "nano-Q8_0"), "fits", monkeypatch)
    with caplog.at_level(logging.WARNING):
        for name in ("codellama:7b", "codellama:7b", str(files / "one.gguf"), "../models/one"):
            assert await served.scheduler(name) is served.first
            assert not await served.has(name)
    said = [record.message for record in caplog.records]
    assert "There is no model 'codellama:7b' here: nano-Q8_0 answers." in said
    assert len(said) == 3 and not started


async def test_a_server_with_one_model_alone_has_no_others(files: Path, demo_model: Path) -> None:
    served = Models(Loaded(demo_model, "remote"), None, Remarks())
    assert await served.scheduler("one") is served.first
    assert [known.name for known in await served.known()] == ["remote"]
