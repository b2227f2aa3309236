"""`localcoder doctor` on this machine, and on machines where something is missing."""

import getpass
import json
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit
from click.testing import CliRunner

from localcoder import doctor, hardware
from localcoder.cli.main import cli
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


def report() -> tuple[int, list[dict[str, str]]]:
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    return result.exit_code, json.loads(result.output)["checks"]


def test_a_sound_installation() -> None:
    code, checks = report()
    assert code == 0 and not [check for check in checks if check["state"] == "broken"]
    assert {check["name"] for check in checks} >= set(doctor._CHECKS)
    assert any("nano: sound" in check["what"] for check in checks)
    shown = CliRunner().invoke(cli, ["doctor"])
    assert shown.exit_code == 0 and "llama-cpp-python" in shown.output


def test_what_is_broken_ends_with_1_and_says_what_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "data" / "localcoder" / "models"
    models.mkdir(parents=True)
    (models / "half.gguf").write_bytes(b"GGUF" + bytes(100))
    settings = tmp_path / "config" / "localcoder" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("temperatur = 1\n")
    monkeypatch.setattr(hardware, "cpu_features_missing", lambda: ["avx512f"])
    code, checks = report()
    broken = {check["name"]: check for check in checks if check["state"] == "broken"}
    assert code == 1 and set(broken) == {"models", "settings", "processor"}
    assert "half" in broken["models"]["what"] and "models rm half" in broken["models"]["todo"]
    assert "temperature" in broken["settings"]["todo"]
    assert "avx512f" in broken["processor"]["what"]
    assert broken["processor"]["todo"] == doctor.without_names(hardware.REBUILD)


def test_a_gpu_without_its_backend_gets_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for card, vendor in (("card0", "0x10de"), ("card1", "0x1002"), ("card2", "0x1234")):
        folder = tmp_path / "sys/class/drm" / card / "device"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
    assert doctor.gpus_present(tmp_path) == [("NVIDIA", "cuda"), ("AMD", "hip")]
    monkeypatch.setattr(doctor, "gpus_present", lambda: [("NVIDIA", "cuda"), ("AMD", "hip"), ("Intel", "vulkan")])
    monkeypatch.setattr(hardware, "gpu_backends", list)
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    todos = [check.todo for check in doctor._gpu()]
    assert "whl/cu124" in todos[0] and "-DGGML_CUDA=on" in todos[0]
    assert "-DGGML_HIP=on" in todos[1] and "-DGGML_VULKAN=on" in todos[2]


def test_a_gpu_that_computes_is_not_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its vendor, of which the system may know nothing."""
    monkeypatch.setattr(doctor, "gpus_present", list)
    monkeypatch.setattr(hardware, "gpu_backends", lambda: ["vulkan"])
    monkeypatch.setattr(hardware, "gpus", lambda: (hardware.Gpu("one", 2_000_000_000, 2_000_000_000),))
    assert [check.what for check in doctor._gpu()] == ["one: 2.0 of 2.0 GB free (vulkan)"]


@pytest.mark.parametrize("command", [hardware.REBUILD, *doctor._GPU_FIXES.values()])
def test_a_rebuild_leaves_what_else_is_installed_alone(command: str) -> None:
    """Reinstalled, and built from source, is llama-cpp-python alone, in a version that fits."""
    (wanted,) = [
        each
        for each in tomlkit.parse((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        if each.startswith("llama-cpp-python")
    ]
    for part in command.replace(")", "").split("(or, with the CUDA toolkit: "):
        words = shlex.split(part)
        words = words[words.index("pip") :]
        assert words[:3] == ["pip", "install", "--force-reinstall"] and "--no-deps" in words
        assert [word for word in words if word.startswith("llama-cpp-python>")] == [wanted]
        if "--no-binary" in words:
            assert words[words.index("--no-binary") + 1] == "llama-cpp-python"


def test_the_report_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "annabel")
    monkeypatch.setattr(socket, "gethostname", lambda: "workhorse")
    text = f"{Path.home()}/models of annabel on workhorse, /home/annabel/x.gguf and /tmp/secret/y; unworkhorselike"
    assert doctor.without_names(text) == "~/models of USER on HOST, PATH and PATH; unworkhorselike"


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Iterator[doctor.Check]:
        raise OSError("no such device")
        yield

    monkeypatch.setitem(doctor._CHECKS, "compiler", fails)
    code, checks = report()
    assert code == 1 and any("no such device" in check["what"] for check in checks)
