"""An environment in which nothing of the developer's own is read or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_NO_SETTING = ("LOCALCODER_SHARED", "LOCALCODER_LLAMA_BIN", "LOCALCODER_EDITOR_PLUGINS")


def use(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, sessions, models and caches of this process and its children are below `home`, and nowhere else."""
    monkeypatch.setenv("HOME", str(home))
    for kind in ("config", "data", "state", "cache"):
        monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", str(home / kind))
    for variable in [*os.environ]:
        if variable.startswith("LOCALCODER_") and variable not in _NO_SETTING:
            monkeypatch.delenv(variable)
