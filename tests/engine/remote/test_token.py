import sys
import types
from pathlib import Path

import pytest

from localcoder.engine.remote.token import read_token
from localcoder.errors import LocalcoderError


def test_it_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    assert read_token(str(file), "box") == "secret"
    assert read_token("$TEAM", "box", {"TEAM": "secret"}) == "secret"
    assert read_token("", "box") == ""


def test_where_there_is_none_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for source in ("$TEAM", str(tmp_path / "empty")):
        with pytest.raises(LocalcoderError, match="There is no token for box") as caught:
            read_token(source, "box", {})
        assert caught.value.exit_code == 2


def test_a_token_that_was_set_as_a_file_is_not_shown() -> None:
    with pytest.raises(LocalcoderError) as caught:
        read_token("sk-123456", "box")
    assert "sk-123456" not in caught.value.what + caught.value.todo


def test_it_comes_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that fails, and one that is not installed, cannot be had otherwise on a machine of tests."""
    keyring, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")

    class KeyringError(Exception):
        pass

    def get_password(service: str, host: str) -> str | None:
        if host == "locked":
            raise KeyringError("it is locked")
        return {("localcoder", "box"): "secret"}.get((service, host))

    vars(errors)["KeyringError"] = KeyringError
    vars(keyring).update(get_password=get_password, errors=errors)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert read_token("keyring", "box") == "secret"
    for host, what in (("other", "no token for other"), ("locked", "it is locked")):
        with pytest.raises(LocalcoderError, match=what):
            read_token("keyring", host)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(LocalcoderError, match="needs the package keyring"):
        read_token("keyring", "box")
