"""Checkpoints that the tests convert."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.converters.checkpoints import write_checkpoint, write_golden_checkpoint


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tied checkpoint in F32, not to be changed."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "mini")


@pytest.fixture(scope="session")
def make_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoints that the golden files were made from, by name ("tiny", "tiny-untied"), each made once."""
    folder = tmp_path_factory.mktemp("golden")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else write_golden_checkpoint(path, name)

    return make


@pytest.fixture(scope="session")
def published(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with the published vocabulary, which cannot be part of this repository."""
    path = tmp_path_factory.mktemp("published") / "tiny"
    subprocess.run([sys.executable, shared / "make_checkpoint.py", "tiny", path], check=True)
    return path
