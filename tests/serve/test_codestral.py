"""Mistral's dialect, `/v1/fim/completions`, as its API reference has it."""

from __future__ import annotations

import httpx

from tests.serve.test_http import AFTER, BEFORE, events

BODY = {"model": "codestral-latest", "prompt": BEFORE, "suffix": AFTER, "max_tokens": 8, "temperature": 0}


def test_a_completion_is_a_message(client: httpx.Client) -> None:
    answer = client.post("/v1/fim/completions", json=BODY).json()
    (choice,) = answer["choices"]
    assert answer["object"] == "chat.completion" and answer["usage"]["total_tokens"] > 8
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] in ("stop", "length")
    expected = client.post("/v1/completions", json=BODY).json()["choices"][0]["text"]
    assert choice["message"]["content"] == expected != ""


def test_a_stream_is_deltas(client: httpx.Client) -> None:
    whole = client.post("/v1/fim/completions", json=BODY).json()["choices"][0]["message"]["content"]
    with client.stream("POST", "/v1/fim/completions", json={**BODY, "stream": True}) as response:
        chunks = events(response)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == whole
    assert [chunk["choices"][0]["finish_reason"] is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_stop_seed_and_a_missing_suffix(client: httpx.Client) -> None:
    def content(**fields: object) -> str:
        answer = client.post("/v1/fim/completions", json={**BODY, **fields}).json()
        return str(answer["choices"][0]["message"]["content"])

    whole = content()
    assert content(stop=whole[1:3]) == whole[: whole.index(whole[1:3])]
    assert content(temperature=1.5, random_seed=5) == content(temperature=1.5, random_seed=5)
    assert content(suffix=None) == content(suffix="")
    assert client.post("/v1/fim/completions", json={**BODY, "prompt": None}).status_code == 400
