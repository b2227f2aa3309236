"""OpenAI's dialect by the real `openai` package, and what that does not say by bodies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.serve.conftest import OTHER
from tests.serve.test_http import AFTER, BEFORE, LINES, events

MODEL = "nano-Q8_0"
CLASS = "class Shape:\n    def __init__(self, side):\n        self.side = side\n\n    def area(self):\n"
EMPTY: dict[str, Any] = {"model": MODEL, "prompt": BEFORE, "suffix": AFTER, "max_tokens": 8}


@pytest.fixture
def api(shared_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{shared_url}/v1", api_key="none", max_retries=0, timeout=120) as api:
        yield api


def text(api: openai.OpenAI, **fields: Any) -> str:
    said: str = api.completions.create(**{**EMPTY, **fields}).choices[0].text
    return said


def test_a_completion_and_its_stream(api: openai.OpenAI) -> None:
    whole = api.completions.create(**EMPTY)
    assert whole.model == MODEL and whole.choices[0].finish_reason in ("stop", "length") and whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    chunks = list(api.completions.create(**EMPTY, stream=True, stream_options={"include_usage": True}))
    *texts, last = chunks
    assert "".join(chunk.choices[0].text for chunk in texts) == whole.choices[0].text != ""
    assert last.choices == [] and last.usage and last.usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in texts) and {chunk.id for chunk in chunks} == {last.id}


def test_several_are_streamed_with_their_indices(api: openai.OpenAI) -> None:
    said = {0: "", 1: "", 2: ""}
    reasons = []
    for chunk in api.completions.create(**EMPTY, n=3, stream=True):
        (choice,) = chunk.choices
        said[choice.index] += choice.text
        if choice.finish_reason:
            reasons.append(choice.index)
    assert reasons == [0, 1, 2] and len(set(said.values())) > 1
    assert len(api.completions.create(**EMPTY, n=3).choices) == 3


def test_stop_ends_the_text_before_it(api: openai.OpenAI) -> None:
    whole = text(api)
    answer = api.completions.create(**EMPTY, stop=whole[2:4]).choices[0]
    assert answer.text == whole[: whole.index(whole[2:4])] and answer.finish_reason == "stop"
    assert text(api, stop=["\x00", "\x01"]) == whole and text(api, stop=None) == whole and text(api, stop=[]) == whole


def test_echo_puts_the_prompt_in_front(api: openai.OpenAI) -> None:
    assert text(api, echo=True) == BEFORE + text(api)
    streamed = "".join(c.choices[0].text for c in api.completions.create(**EMPTY, echo=True, stream=True))
    assert streamed == BEFORE + text(api)
    written = f"<fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>"
    assert text(api, prompt=written, suffix=None, echo=True) == BEFORE + text(api)


def test_best_of_gives_the_likeliest(api: openai.OpenAI) -> None:
    fields = {**EMPTY, "temperature": 1.5, "seed": 7, "logprobs": 0}
    made = api.completions.create(**fields, n=6).choices
    best = api.completions.create(**fields, n=2, best_of=6).choices
    assert len(best) == 2 and [choice.index for choice in best] == [0, 1]

    def mean(choice: Any) -> float:
        logprobs = choice.logprobs.token_logprobs
        return float(sum(logprobs) / len(logprobs))

    assert mean(best[0]) >= mean(best[1])
    assert all(len(choice.logprobs.tokens) == len(choice.logprobs.text_offset) for choice in made)
    with pytest.raises(openai.BadRequestError, match="best_of"):
        api.completions.create(**EMPTY, n=1, best_of=2, stream=True)


def test_prompts_are_lists_and_ids_too(api: openai.OpenAI, client: httpx.Client) -> None:
    answers = api.completions.create(model=MODEL, prompt=[BEFORE, CLASS], max_tokens=8).choices
    assert [each.index for each in answers] == [0, 1]
    assert answers[0].text == text(api, suffix=None)
    raw = "import os\nimport "
    ids = client.post("/tokenize", json={"content": raw}).json()["tokens"]
    answer = api.completions.create(model=MODEL, prompt=ids, max_tokens=8)
    assert answer.usage and answer.usage.prompt_tokens == len(ids)
    expected = client.post("/completion", json={"prompt": raw, "n_predict": 8}).json()["content"]
    several = api.completions.create(model=MODEL, prompt=[ids, ids], max_tokens=8)
    assert [each.text for each in (*answer.choices, *several.choices)] == [expected] * 3
    streamed: dict[int, str] = {0: "", 1: ""}
    for chunk in api.completions.create(model=MODEL, prompt=[ids, ids], max_tokens=8, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert streamed == {0: expected, 1: expected}


def test_more_tokens_than_there_can_be_are_as_many_as_there_can_be(api: openai.OpenAI) -> None:
    assert text(api, max_tokens=1_000_000, stop=["0"]) == text(api, stop=["0"])


def test_logprobs(api: openai.OpenAI) -> None:
    logprobs = api.completions.create(**EMPTY, logprobs=3).choices[0].logprobs
    assert logprobs and logprobs.tokens and logprobs.token_logprobs and logprobs.top_logprobs and logprobs.text_offset
    assert "".join(logprobs.tokens).startswith(text(api))
    pairs = zip(logprobs.top_logprobs, logprobs.token_logprobs, strict=True)
    assert all(max(top.values()) == logprob for top, logprob in pairs)
    assert all(len(top) == 3 for top in logprobs.top_logprobs) and logprobs.text_offset[0] == 0
    streamed = [chunk.choices[0].logprobs for chunk in api.completions.create(**EMPTY, logprobs=1, stream=True)]
    assert [token for each in streamed if each for token in each.tokens or []] == logprobs.tokens
    assert [at for each in streamed if each for at in each.text_offset or []] == logprobs.text_offset


def test_biases_penalties_and_seeds(api: openai.OpenAI, client: httpx.Client) -> None:
    (first, *_) = client.post("/tokenize", json={"content": text(api)[:1]}).json()["tokens"]
    assert text(api, logit_bias={str(first): -100})[:1] != text(api)[:1]
    assert text(api, presence_penalty=2, frequency_penalty=2, max_tokens=32) != text(api, max_tokens=32)
    drawn = {text(api, temperature=1.5) for _ in range(6)}
    assert len(drawn) > 1, "no seed is any seed"
    assert len({text(api, temperature=1.5, seed=3) for _ in range(3)}) == 1


def test_a_text_without_a_suffix_goes_on_to_its_end(api: openai.OpenAI, client: httpx.Client) -> None:
    for suffix in ({}, {"suffix": None}):
        body = {"prompt": "x = [\n", "max_tokens": 40, **suffix}
        assert client.post("/v1/completions", json=body).status_code == 200
    before = "".join(LINES[:100]).replace("function", "one_shot")
    used = api.completions.create(model=MODEL, prompt=before, suffix=AFTER, max_tokens=1).usage
    assert used and used.prompt_tokens > 1500, "all of it was read"
    quick = {"prompt": before.replace("one", "quick"), "suffix": AFTER, "first_token_budget_ms": 1, "max_tokens": 1}
    assert client.post("/v1/completions", json=quick).json()["usage"]["prompt_tokens"] < 1000


def test_code_about_tokens_is_code_where_a_suffix_is_given(client: httpx.Client) -> None:
    about = "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>"
    body = {"prompt": about, "suffix": AFTER, "max_tokens": 1}
    plain = client.post("/tokenize", json={"content": about + AFTER}).json()["tokens"]
    assert client.post("/v1/completions", json=body).json()["usage"]["prompt_tokens"] >= len(plain)


def test_models(api: openai.OpenAI) -> None:
    names = [model.id for model in api.models.list()]
    assert names[0] == MODEL and OTHER in names and "nano" not in names
    for name in (MODEL, OTHER, "nano"):
        assert api.models.retrieve(name).id in (name, MODEL)
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4'"):
        api.models.retrieve("gpt-4")


def test_the_model_that_is_asked_for_answers_and_an_unknown_name_is_the_first(api: openai.OpenAI) -> None:
    for name, own in ((MODEL, MODEL), (OTHER, OTHER), (f"{OTHER}:latest", OTHER), ("codellama", MODEL), ("", MODEL)):
        answer = api.completions.create(**{**EMPTY, "model": name})
        assert answer.model == own and answer.choices[0].text == text(api)
    for path in ("../models/other-Q8_0.gguf", "/etc/passwd", "./other-Q8_0"):
        assert api.completions.create(**{**EMPTY, "model": path}).model == MODEL


def test_chat_is_refused_with_a_reason_and_as_a_message(api: openai.OpenAI, client: httpx.Client) -> None:
    with pytest.raises(openai.BadRequestError, match="never taught to chat"):
        api.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    answer = client.post("/v1/chat/completions", json={}).json()
    assert "never taught to chat" in answer["choices"][0]["message"]["content"], "what llama.vim shows"


def test_fields_without_effect_are_named(client: httpx.Client) -> None:
    body = {**EMPTY, "guided_regex": "[0-9]", "user": "me"}
    assert client.post("/v1/completions", json=body).json()["ignored_fields"] == ["guided_regex"]
    with client.stream("POST", "/v1/completions", json={**body, "stream": True}) as response:
        assert events(response)[-1]["ignored_fields"] == ["guided_regex"]
