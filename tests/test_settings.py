from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from localcoder import settings
from localcoder.cli.main import cli
from localcoder.errors import LocalcoderError
from localcoder.paths import settings_file
from localcoder.settings import Settings


def test_without_a_file_all_are_defaults(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "none.toml", {}) == Settings()


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('theme = "nord"\nmax_tokens = 7\n')
    effective = settings.load_with_sources(path, {"LOCALCODER_MAX_TOKENS": "9", "LOCALCODER_AUTOMATIC": "off"})
    assert (effective.settings.theme, effective.settings.max_tokens, effective.settings.automatic) == ("nord", 9, False)
    assert effective.sources["theme"] == "file"
    assert effective.sources["max_tokens"] == "environment"
    assert effective.sources["mode"] == "default"


@pytest.mark.parametrize(
    ("text", "what", "todo"),
    [
        ('tehme = "nord"', "there is no setting `tehme`", "Did you mean `theme`?"),
        ('mode = "blok"', "`mode` cannot be `blok`", "Did you mean `block`?"),
        ("max_tokens = true", "`max_tokens` cannot be `True`", "whole number"),
        ("max_tokens = -1", "`max_tokens` cannot be `-1`", "whole number"),
        ("least_confidence = 1.5", "`least_confidence` cannot be `1.5`", "from 0 to 1"),
        ("automatic = 1", "`automatic` cannot be `1`", "true or false"),
        ("temperature = nan", "`temperature` cannot be `nan`", "a number"),
        ("idle_minutes = inf", "`idle_minutes` cannot be `inf`", "a number"),
        (f"temperature = {'9' * 400}", "`temperature` cannot be `999", "a number"),
        (f"threads = {'9' * 400}", "`threads` cannot be `999", "whole number"),
        (f"max_tokens = {'9' * 5000}", "is not TOML", "Fix or delete it"),
        (f"theme = {'[' * 5000}", "is not TOML", "Fix or delete it"),
        ("theme = ", "is not TOML", "Fix or delete it"),
    ],
)
def test_nonsense_is_named_and_the_nearest_sense_too(tmp_path: Path, text: str, what: str, todo: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(LocalcoderError) as caught:
        settings.load(path, {})
    assert what in caught.value.what
    assert todo in caught.value.todo
    assert caught.value.exit_code == 2


def test_a_variable_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalcoderError, match="LOCALCODER_MAX_TOKENS"):
        settings.load(tmp_path / "none.toml", {"LOCALCODER_MAX_TOKENS": "many"})


def test_saving_keeps_comments_order_and_what_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.toml"
    settings.save({"theme": "nord"}, path)
    path.write_text("# mine\n" + path.read_text() + "max_tokens = 5  # few\n")
    settings.save({"theme": "dracula", "keys": {"file.save": "f3"}}, path)
    assert "# mine\n" in path.read_text()
    assert "max_tokens = 5  # few" in path.read_text()
    loaded = settings.load(path, {})
    assert (loaded.theme, loaded.max_tokens, loaded.keys) == ("dracula", 5, {"file.save": "f3"})


def test_a_linked_file_stays_linked(tmp_path: Path) -> None:
    """As dotfiles managers do it: the link is in the configuration, the file in a repository elsewhere."""
    kept, path = tmp_path / "dotfiles" / "localcoder.toml", tmp_path / "config" / "settings.toml"
    for folder in (kept.parent, path.parent):
        folder.mkdir()
    kept.write_text("# mine\nmax_tokens = 5\n")
    kept.chmod(0o640)
    path.symlink_to(Path("..") / "dotfiles" / "localcoder.toml")
    settings.save({"theme": "nord"}, path)
    assert path.is_symlink() and "# mine" in kept.read_text() and 'theme = "nord"' in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o640
    kept.unlink()
    settings.save({"theme": "dracula"}, path)
    assert path.is_symlink() and settings.load(path, {}).theme == "dracula"
    assert [item.name for item in (*kept.parent.iterdir(), *path.parent.iterdir())] == [kept.name, path.name]


def test_nothing_is_left_beside_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "settings.toml"
    path.write_text("max_tokens = 5\n")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LocalcoderError, match="No space"):
        settings.save({"theme": "nord"}, path)
    assert [item.name for item in tmp_path.iterdir()] == ["settings.toml"] and path.read_text() == "max_tokens = 5\n"


def test_nothing_is_written_when_a_value_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with pytest.raises(LocalcoderError):
        settings.save({"mode": "blok"}, path)
    assert not path.exists()


def test_every_setting_has_a_help_text() -> None:
    assert all(settings.help_of(name).endswith(".") for name in settings.names() if name != "keys")


def test_a_variable_that_nearly_names_a_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalcoderError, match="LOCALCODER_TEMPERATUR: there is no setting") as caught:
        settings.load(tmp_path / "settings.toml", {"LOCALCODER_TEMPERATUR": "1"})
    assert "LOCALCODER_TEMPERATURE" in caught.value.todo
    settings.load(tmp_path / "settings.toml", {"LOCALCODER_TOKEN": "x", "LOCALCODER_SHARED": "/x"})


def test_the_settings_command_shows_sources_and_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("# mine\nmode = 'line'\n")
    monkeypatch.setattr("localcoder.paths.settings_file", lambda: path)
    monkeypatch.setattr(settings, "settings_file", lambda: path)
    monkeypatch.setenv("LOCALCODER_MAX_TOKENS", "7")
    run = CliRunner().invoke
    shown = json.loads(run(cli, ["settings", "--json"]).output)["settings"]
    assert shown["mode"] == {"value": "line", "source": "file"}
    assert shown["max_tokens"] == {"value": 7, "source": "environment"}
    assert shown["temperature"] == {"value": 0.0, "source": "default"}
    assert "LOCALCODER_MAX_TOKENS" in run(cli, ["settings"]).output
    assert run(cli, ["settings", "set", "temperature", "0.4"]).exit_code == 0
    assert "# mine" in path.read_text() and "temperature = 0.4" in path.read_text()
    for wrong in (["temperatur", "1"], ["mode", "lin"], ["threads", "many"], ["keys", "{}"]):
        result = run(cli, ["settings", "set", *wrong])
        assert isinstance(result.exception, LocalcoderError) and result.exception.todo


def test_complete_follows_the_settings_and_the_command_line_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.py"
    file.write_text("import os\n\n\ndef f(path):\n    return ")
    monkeypatch.setenv("LOCALCODER_MAX_TOKENS", "2")
    monkeypatch.setenv("LOCALCODER_MODE", "free")
    arguments = ["complete", str(file), "--json", "--no-snapshots"]
    assert json.loads(CliRunner().invoke(cli, arguments).output)["tokens_generated"] <= 2
    longer = json.loads(CliRunner().invoke(cli, [*arguments, "--max-tokens", "9"]).output)
    assert 2 < longer["tokens_generated"] <= 9


def test_a_model_or_adapter_that_is_not_there_is_not_set(tmp_path: Path) -> None:
    for name in ("model", "stand_in", "adapter"):
        result = CliRunner().invoke(cli, ["settings", "set", name, str(tmp_path / "none.gguf")])
        assert isinstance(result.exception, LocalcoderError) and "none.gguf" in result.exception.what
    assert not settings_file().exists()
    assert CliRunner().invoke(cli, ["settings", "set", "model", "nano"]).exit_code == 0
    assert settings.load().model == "nano"
