"""Hints name this distribution, and never the stranger's that has the command's name on PyPI."""

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import tomlkit

from localcoder import doctor, installation
from tests.conftest import ROOT

PROJECT = tomlkit.parse((ROOT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]


def test_names_and_extras_are_those_of_the_project() -> None:
    assert PROJECT["name"] == installation.DISTRIBUTION != "localcoder"
    assert list(PROJECT["scripts"]) == ["localcoder"]
    for extra, requirements in installation.EXTRAS.items():
        assert PROJECT["optional-dependencies"][extra] == list(requirements)


def test_under_pipx_packages_are_injected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not installation.is_pipx(tmp_path)
    (tmp_path / "pipx_metadata.json").write_text("{}")
    assert installation.is_pipx(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    name = installation.DISTRIBUTION
    assert shlex.split(installation.add("serve")) == ["pipx", "inject", name, *installation.EXTRAS["serve"]]
    assert installation.pip_install() == f"pipx runpip {name} install"
    assert installation.again() == f"pipx reinstall {name}"


def test_elsewhere_it_is_the_pip_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    words = shlex.split(installation.add("keyring"))
    assert words == [sys.executable, "-m", "pip", "install", *installation.EXTRAS["keyring"]]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert shlex.split(installation.add("keyring"))[0] in ("python", sys.executable)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert shlex.split(installation.pip_install())[:4] == ["uv", "pip", "install", "--python"]


def test_doctor_names_the_command_that_adds_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in missing:
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor, "version", version)
    missing = {"uvicorn"}
    assert [check.todo for check in doctor._versions() if check.todo] == [installation.add("serve")]
    missing = {"numpy"}
    assert [(check.state, check.todo) for check in doctor._versions() if check.todo] == [
        ("broken", installation.again())
    ]


def test_no_text_would_fetch_the_strangers_package() -> None:
    """`localcoder` as something to install: a requirement, or a name behind pip's and pipx's verbs."""
    fetching = re.compile(r"localcoder\[|\b(?:install|inject|runpip|reinstall|upgrade)(?: -\S+)* '?localcoder(?![\w-])")
    assert fetching.search("pip install 'localcoder[serve]'") and fetching.search("pipx runpip localcoder install")
    texts = [*(ROOT / "localcoder").rglob("*.py"), *(ROOT / "converters").rglob("*.py"), *ROOT.glob("*.md")]
    assert [path.name for path in texts if fetching.search(path.read_text(encoding="utf-8"))] == []
