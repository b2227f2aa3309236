"""OpenAI's chat completions, with an engine that says what it is told to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.serve.app import make_app
from tests.tui.fake_engine import INFO, FakeEngine

MODEL = replace(
    INFO,
    name="starcoder2-15b-instruct",
    control=tuple((name, i) for i, name in enumerate(CONTROL_NAMES[:9])),
    chat_template="### Instruction ### Response",
)
HELLO = [{"role": "user", "content": "Hello"}]


@asynccontextmanager
async def client(engine: FakeEngine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


async def ask(engine: FakeEngine, **body: Any) -> httpx.Response:
    async with client(engine) as opened:
        return await opened.post("/v1/chat/completions", json={"messages": HELLO, **body})


def engine(answer: str = "Hi there.\n", **more: Any) -> FakeEngine:
    return FakeEngine([answer], info_value=MODEL, **more)


def prompt_of(fake: FakeEngine) -> str:
    """What the engine was asked, an id a character."""
    return "".join("<0>" if i == 0 else chr(i - 10) for i in fake.requests[-1].ids)


async def events(response: httpx.Response) -> list[dict[str, Any]]:
    *data, last = [line[6:] for line in response.text.split("\n") if line]
    assert last == "[DONE]"
    return [json.loads(each) for each in data]


async def test_a_response_has_the_fields_that_clients_read() -> None:
    fake = engine("Hi there.\n\n### Instruction\nMore")
    answer = (await ask(fake, model="any", temperature=0.5, seed=3, max_tokens=50)).json()
    assert answer["object"] == "chat.completion" and answer["model"] == "starcoder2-15b-instruct"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi there."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    request = fake.requests[0]
    assert (request.max_tokens, request.sampling.temperature, request.sampling.seed) == (50, 0.5, 3)
    assert prompt_of(fake).endswith(" user instructions.\n\n### Instruction\nHello\n\n### Response\n")


async def test_a_stream_is_the_response_in_pieces() -> None:
    response = await ask(engine("Hi # not\n#\n##\nthe end\n### x"), stream=True, stream_options={"include_usage": True})
    *chunks, used = await events(response)
    assert all(each["object"] == "chat.completion.chunk" for each in chunks)
    deltas = [each["choices"][0]["delta"] for each in chunks]
    assert deltas[0]["role"] == "assistant" and not any("role" in each for each in deltas[1:])
    assert "".join(each.get("content", "") for each in deltas) == "Hi # not\n#\n##\nthe end"
    assert [each["choices"][0]["finish_reason"] for each in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert used["choices"] == [] and used["usage"]["completion_tokens"] > 0 and deltas[-1] == {}


@pytest.mark.parametrize("stop", ["STOP", ["x!", "STOP"]])
async def test_it_ends_before_a_stop_string_that_is_never_shown(stop: object) -> None:
    response = await ask(engine("Go on. STAY. STOP. More."), stop=stop, stream=True)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in await events(response)) == "Go on. STAY. "
    assert (await ask(engine("Go on. STOP"), stop=stop)).json()["choices"][0]["message"]["content"] == "Go on. "


async def test_a_conversation_is_written_in_turns() -> None:
    fake = engine()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "."}]},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three."},
        {"role": "user", "content": "Four."},
        {"role": "assistant", "content": "Fi"},
    ]
    await ask(fake, messages=messages)
    assert prompt_of(fake).endswith(
        "### Instruction\nBe brief.\n\nOne.\n\n### Response\nTwo.<0>\n\n"
        "### Instruction\nThree.\n\nFour.\n\n### Response\nFi"
    )


async def test_a_base_model_is_not_asked_to_chat() -> None:
    fake = FakeEngine(info_value=replace(MODEL, name="starcoder2-3b", chat_template=""))
    response = await ask(fake)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == (
        "starcoder2-3b is a base model: it completes code, and was never taught to chat. "
        "Serve one that was, like starcoder2:15b-instruct."
    )
    assert fake.requests == []


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []}, {"messages": "x"}, {"messages": [{"role": "tool", "content": "x"}]}, {"messages": ["x"]},
        {"messages": [{"role": "assistant", "content": "x"}]}, {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, {"stop": 3}, {"stop": [3]}, {"n": 2},
        {"max_tokens": "x"}, {"stream": "yes"}, {"messages": [{"role": "system", "content": "x"}]},
    ],
)  # fmt: skip
async def test_a_body_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    response = await ask(engine(), **body)
    assert response.status_code == 400 and response.json()["error"]["type"] == "invalid_request_error"
