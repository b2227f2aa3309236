"""What is to be distrusted in a completion, as each dialect says it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from localcoder.completion.complete import Options
from localcoder.serve.app import make_app
from tests.tui.fake_engine import FakeEngine

BEFORE, AFTER = "def f():\n    return ", "\n"
BODIES = {
    "/infill": {"input_prefix": BEFORE, "input_suffix": AFTER},
    "/v1/completions": {"prompt": BEFORE, "suffix": AFTER},
    "/v1/fim/completions": {"prompt": BEFORE, "suffix": AFTER},
    "/api/generate": {"model": "fake", "prompt": BEFORE, "suffix": AFTER},
}


async def ask(path: str, *, stream: bool, checks: bool = True, answer: str = '"<EMAIL>"') -> list[dict[str, Any]]:
    app = make_app(FakeEngine([answer]), usual=Options(checks=checks))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.post(path, json={**BODIES[path], "stream": stream}, timeout=60)
    assert response.status_code == 200, response.text
    lines = [line.removeprefix("data: ") for line in response.text.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def findings(said: dict[str, Any]) -> Any:
    return {**said, **(said.get("choices") or [{}])[0]}.get("findings")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", BODIES)
async def test_the_last_word_has_them(path: str, stream: bool) -> None:
    said = await ask(path, stream=stream)
    (found,) = [found for each in said if (found := findings(each)) is not None]
    assert [(each["check"], each["line"], each["column"], each["what"]) for each in found] == [
        ("redactions", 2, 13, "`<EMAIL>` is to be filled in")
    ]


@pytest.mark.parametrize("path", BODIES)
async def test_there_is_no_field_without_any(path: str) -> None:
    assert all(findings(each) is None for each in await ask(path, stream=False, answer="1"))
    assert all(findings(each) is None for each in await ask(path, stream=True, checks=False))
