"""Ollama's dialect by the real `ollama` package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest

from tests.serve.conftest import OTHER
from tests.serve.test_http import AFTER, BEFORE

WRITTEN = f"<fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>"


@pytest.fixture
def api(shared_url: str) -> Iterator[ollama.Client]:
    with ollama.Client(host=shared_url, timeout=120) as api:
        yield api


def text(api: ollama.Client, prompt: str = BEFORE, **fields: Any) -> str:
    """Of a completion, of `AFTER` where the prompt is as it is."""
    suffix = {"suffix": AFTER} if prompt == BEFORE else {}
    said: str | None = api.generate("nano", prompt, **{"options": {"num_predict": 8}, **suffix, **fields}).response
    assert said is not None
    return said


def test_what_is_here_and_what_runs(api: ollama.Client, client: httpx.Client) -> None:
    names = [model.model for model in api.list().models]
    assert names[0] == "nano-Q8_0:latest" and f"{OTHER}:latest" in names
    assert names[0] in [model.model for model in api.ps().models]
    assert client.get("/api/version").json()["version"] and client.head("/").status_code == 200


def test_a_model_is_shown_to_fill_in(api: ollama.Client) -> None:
    for name in ("nano-Q8_0", "nano-Q8_0:latest", "nano", OTHER, "codellama:7b-code"):
        shown = api.show(name)
        assert shown.template and ".Suffix" in shown.template
        assert shown.capabilities and "insert" in shown.capabilities
        assert shown.details and shown.details.quantization_level == "Q8_0"


def test_a_completion_and_its_stream(api: ollama.Client) -> None:
    options = {"num_predict": 8, "temperature": 0, "num_ctx": 2048}
    whole = api.generate("nano", BEFORE, suffix=AFTER, options=options)
    assert whole.response and whole.done and whole.done_reason in ("stop", "length") and whole.model == "nano"
    assert whole.eval_count and whole.prompt_eval_count and whole.total_duration and whole.eval_duration
    *parts, last = api.generate("nano", BEFORE, suffix=AFTER, options=options, stream=True)
    assert "".join(part.response or "" for part in parts) == whole.response and not any(part.done for part in parts)
    assert last.done and last.response == "" and last.eval_count == whole.eval_count


def test_prompts_with_tokens_are_taken_apart_whatever_raw_and_template_say(api: ollama.Client) -> None:
    for prompt in (WRITTEN, f"<PRE> {BEFORE} <SUF>{AFTER} <MID>"):
        assert text(api, prompt, raw=True) == text(api, prompt, template="{{ .Prompt }}") == text(api)


def test_raw_text_is_read_as_it_is(api: ollama.Client, client: httpx.Client) -> None:
    text = "import os\nimport "
    answer = api.generate("nano", text, raw=True, options={"num_predict": 8})
    ids = client.post("/tokenize", json={"content": text}).json()["tokens"]
    assert answer.prompt_eval_count == len(ids)
    assert answer.response == client.post("/completion", json={"prompt": text, "n_predict": 8}).json()["content"]


def test_stop_and_minus_one(api: ollama.Client) -> None:
    whole = text(api)
    word = whole[2:5]
    answer = api.generate("nano", BEFORE, suffix=AFTER, options={"num_predict": -1, "stop": [word]})
    assert answer.response == whole[: whole.index(word)] and answer.done_reason == "stop"


def test_loading_and_pulling(api: ollama.Client, client: httpx.Client) -> None:
    assert api.generate("nano").done_reason == "load" and api.generate("nano", keep_alive=0).done_reason == "unload"
    assert api.pull("nano").status == "success"
    assert "localcoder models pull" in client.post("/api/pull", json={"model": "gemma"}).text


def test_the_stream_is_ndjson_and_the_default(client: httpx.Client) -> None:
    with client.stream("POST", "/api/generate", json={"model": "x", "prompt": WRITTEN, "grammar": "x"}) as response:
        assert response.headers["content-type"].startswith("application/x-ndjson")
        lines = [json.loads(line) for line in response.iter_lines()]
    assert lines[-1]["done"] and lines[-1]["ignored_fields"] == ["grammar"]
    assert {"model", "created_at", "response", "done"} <= lines[0].keys()


@pytest.mark.parametrize(
    "body", [{"prompt": 5}, {"prompt": "x", "options": []}, {"prompt": "x", "options": {"top_p": ""}}]
)
def test_bad_bodies_are_refused(client: httpx.Client, body: dict[str, object]) -> None:
    assert client.post("/api/generate", json=body).status_code == 400
