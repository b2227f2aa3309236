"""A server that the tests of the dialects share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serve.test_http import start, stop

OTHER = "other-Q8_0"
"""A second model that it has: the bundled one under another name."""


@pytest.fixture(scope="session")
def shared_url(tmp_path_factory: pytest.TempPathFactory, demo_model: Path) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    models = data / "localcoder" / "models"
    models.mkdir(parents=True)
    shutil.copy(demo_model, models / f"{OTHER}.gguf")
    process, url = start("--threads", "1", env={**os.environ, "XDG_DATA_HOME": str(data)})
    yield url
    assert "Traceback" not in stop(process)


@pytest.fixture
def client(shared_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared_url, timeout=120) as client:
        yield client
