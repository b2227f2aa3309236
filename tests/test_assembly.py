"""Settings, command line and a model's name become options and an engine, in one place for all faces."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.assembly import allow_server, make_engine, make_options
from localcoder.engine.api import Lora
from localcoder.engine.remote.connection import Access
from localcoder.errors import LocalcoderError
from localcoder.models.references import LocalModel, RemoteModel
from localcoder.models.store import refer
from localcoder.settings import Settings, load
from tests import own_directories


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


def test_a_server_is_asked_about_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_directories.use(tmp_path, monkeypatch)
    asked: list[str] = []

    def no(host: str) -> bool:
        asked.append(host)
        return False

    for settings, model in ((Settings(), "https://Box/v1"), (Settings(model="https://box/v1"), None)):
        for ask in (None, no):
            with pytest.raises(LocalcoderError, match="never sent to box") as caught:
                make_engine(model, settings, ask=ask)
            assert caught.value.exit_code == 2 and "set allowed_hosts 'box'" in caught.value.todo
    assert asked == ["box", "box"]
    make_engine("https://box/v1", Settings(allowed_hosts="gpu"), ask=lambda host: True)
    assert load().allowed_hosts == "gpu box"
    make_engine("https://box/v1", load(), ask=no)
    make_engine("http://127.0.0.1:8012", Settings(), ask=no)
    assert asked == ["box", "box"]


def test_the_question_about_a_server_does_not_look_for_files() -> None:
    """The app opens also when its model is gone, and says so then."""
    allow_server("gone.gguf", Settings(), None)
    allow_server(None, Settings(model="gone.gguf"), None)
    with pytest.raises(LocalcoderError, match="never sent to box"):
        allow_server(None, Settings(model="http://box"), None)


def test_what_cannot_stand_in_is_told_at_once(tmp_path: Path) -> None:
    for stand_in in ("http://127.0.0.1:1", str(tmp_path / "none.gguf")):
        with pytest.raises(LocalcoderError):
            make_engine("http://127.0.0.1:8012", Settings(stand_in=stand_in))


@pytest.mark.parametrize("url", ["http://", "http://user:secret@box", "http://box:port", "https://[::1"])
def test_what_is_no_address_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(LocalcoderError) as caught:
        make_engine(url, Settings())
    assert caught.value.exit_code == 2 and "\n" not in caught.value.what and "secret" not in caught.value.what


def test_an_adapter_of_the_settings_that_makes_no_sense_is_told() -> None:
    with pytest.raises(LocalcoderError, match="not a scale"):
        make_engine(None, Settings(adapter="none.gguf:loud"))
    make_engine(None, Settings(adapter="none.gguf:loud", adapter_on=False))
    make_engine(None, Settings(adapter="none.gguf:loud"), loras=[Lora("other.gguf")])


def test_the_way_to_a_server_is_the_settings_or_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Access] = []
    init = "localcoder.engine.remote.engine.RemoteEngine.__init__"
    monkeypatch.setattr(init, lambda self, access, files, **how: taken.append(access))
    monkeypatch.setenv("HTTPS_PROXY", "http://usual:3128")
    monkeypatch.setenv("no_proxy", "near")
    (tmp_path / "token").write_text("secret")
    settings = Settings(allowed_hosts="box near", token_from=str(tmp_path / "token"), server_ca="ca.pem")
    make_engine("https://box", settings)
    make_engine("https://near", settings)
    make_engine("https://box", replace(settings, server_proxy="http://other:1"))
    make_engine("https://127.0.0.1", replace(settings, server_proxy="http://other:1"))
    assert [access.proxy for access in taken] == ["http://usual:3128", "", "http://other:1", ""]
    assert {access.token for access in taken} == {"secret"} and taken[0].authority == Path("ca.pem")
    assert "secret" not in repr(taken[0])
