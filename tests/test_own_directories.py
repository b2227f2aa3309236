"""The tests give the same result whoever runs them: settings of the developer's own have no part in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/cli/test_complete.py::test_text_and_nothing_else_on_standard_output",
    "tests/serve/test_http.py::test_a_port_in_use_is_one_clear_line",
    "tests/test_settings.py::test_complete_follows_the_settings_and_the_command_line_goes_first",
)


def test_settings_of_the_developer_are_not_read_and_nothing_is_written_beside_them(tmp_path: Path) -> None:
    folders = {f"XDG_{kind.upper()}_HOME": tmp_path / kind for kind in ("config", "data", "state", "cache")}
    settings = folders["XDG_CONFIG_HOME"] / "localcoder" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("nonsense")
    (tmp_path / ".config").symlink_to("config")
    environment = {**os.environ, **{name: str(folder) for name, folder in folders.items()}, "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *TESTS],
        cwd=ROOT,
        env={**environment, "LOCALCODER_THREADS": "nonsense", "LOCALCODER_MODEL": "nonsense"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0 and f"{len(TESTS)} passed" in run.stdout, run.stdout
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "config/localcoder/settings.toml"
    }
