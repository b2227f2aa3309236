from __future__ import annotations

from pathlib import Path

import pytest

from tests import own_directories as directories


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has its own settings, sessions and caches, and a terminal about which nothing is known."""
    home = tmp_path / "home"
    directories.use(home, monkeypatch)
    for variable in ("TMUX", "SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    return home
