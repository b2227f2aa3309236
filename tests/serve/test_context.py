"""What a text that a client sends rests on besides itself: the repository that the server was started in."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serve.test_http import start, stop

_PATIENCE_S = 60
MAIN = "from models import User\n\n\n" + "\n\n".join(
    f"def function_{number}(value):\n    return value + {number}" for number in range(12)
)


@pytest.fixture(name="folder")
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "models.py").write_text("class User:\n    def __init__(self, name: str) -> None:\n        pass\n")
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


@pytest.fixture(name="url")
def server(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    process, url = start(
        "--threads", "1", cwd=folder, env={**os.environ, "LOCALCODER_CONTEXT": getattr(request, "param", "repository")}
    )
    yield url
    assert "Traceback" not in stop(process)


def prompt(url: str, text: str = MAIN[200:]) -> str:
    body = {"input_prefix": text, "input_suffix": "", "n_predict": 1, "t_max_prompt_ms": 60_000}
    answer = httpx.post(f"{url}/infill", json=body, timeout=120).json()
    return str(answer["prompt"])


def test_the_signatures_that_the_text_needs_come_with_the_next_requests(url: str) -> None:
    assert "class User" not in prompt(url)
    deadline = time.monotonic() + _PATIENCE_S
    while "models.py\nclass User" not in (found := prompt(url)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert found.startswith("<file_sep>models.py\n")
    assert "class User" not in prompt(url, "def another_text(value):\n    return\n" * 20)


@pytest.mark.parametrize("url", ["open files"], indirect=True)
def test_it_can_be_left_out(url: str) -> None:
    for _ in range(3):
        assert "class User" not in prompt(url)
        time.sleep(0.5)
