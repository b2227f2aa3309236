"""llama-server's dialect, field by field as its `tools/server/README.md` has them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.serve.test_http import AFTER, BEFORE, LINES, events

PROMPT = f"<fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>"
CLASS = "class Shape:\n    def __init__(self, side):\n        self.side = side\n\n    def area(self):\n"


def infill(client: httpx.Client, **fields: object) -> Any:
    response = client.post("/infill", json={"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 12, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def complete(client: httpx.Client, **fields: object) -> Any:
    response = client.post("/completion", json={"n_predict": 12, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def test_the_answer_has_what_the_documentation_names(client: httpx.Client) -> None:
    answer = infill(client, return_tokens=True, stop=["never said"], n_indent=0)
    documented = {
        "content", "tokens", "stop", "generation_settings", "model", "prompt", "stop_type", "stopping_word", "timings",
        "tokens_cached", "tokens_evaluated", "truncated", "has_new_line", "tokens_predicted", "index", "id_slot",
    }  # fmt: skip
    assert documented <= answer.keys() and answer["ignored_fields"] == []
    settings = answer["generation_settings"]
    assert settings["n_ctx"] == 4096 and settings["n_predict"] == 12 and settings["stop"] == ["never said"]
    assert len(answer["tokens"]) == answer["tokens_predicted"] == answer["timings"]["predicted_n"]
    assert client.post("/detokenize", json={"tokens": answer["tokens"]}).json()["content"].startswith(answer["content"])
    assert answer["has_new_line"] == ("\n" in answer["content"])
    assert {"prompt_per_token_ms", "predicted_per_token_ms"} <= answer["timings"].keys()


def test_response_fields_are_flat_keys(client: httpx.Client) -> None:
    names = ["content", "timings/prompt_n", "generation_settings/n_ctx", "truncated", "nothing/there"]
    assert list(infill(client, response_fields=names)) == names[:-1]
    assert infill(client, response_fields=[""]) == {}
    body = {"input_prefix": BEFORE, "input_suffix": AFTER, "stream": True, "response_fields": ["tokens_predicted"]}
    with client.stream("POST", "/infill", json=body) as response:
        *texts, last = events(response)
    assert list(last) == ["tokens_predicted"] and all("content" in each for each in texts)


def test_null_is_as_good_as_absent(client: httpx.Client) -> None:
    names = (
        "prompt", "input_extra", "temperature", "top_k", "top_p", "min_p", "seed", "stop", "stream", "n_indent",
        "n_cmpl", "t_max_predict_ms", "n_probs", "return_tokens", "response_fields", "logit_bias", "mode", "layout",
        "model",
    )  # fmt: skip
    assert infill(client, **dict.fromkeys(names))["content"] == infill(client)["content"]


def test_what_is_out_of_range_is_clamped_and_what_is_no_number_refused(client: httpx.Client) -> None:
    settings = infill(client, top_p=7, min_p=-1, top_k=-3, temperature=-1)["generation_settings"]
    assert (settings["top_p"], settings["min_p"], settings["top_k"], settings["temperature"]) == (1, 0, 0, 0)
    assert infill(client, top_p=10**400, temperature=0)["content"] == infill(client)["content"]
    for body in (b'{"top_p": NaN}', b'{"top_p": "high"}', b'{"top_p": true}', b'{"stop": 1}', b'{"n_cmpl": 0}'):
        assert client.post("/infill", content=body).status_code == 400


def test_minus_one_means_all(client: httpx.Client) -> None:
    answer = infill(client, n_predict=-1, repeat_last_n=-1, seed=-1, t_max_predict_ms=-1, stop=["00"])
    settings = answer["generation_settings"]
    assert settings["n_predict"] == 4096 and settings["repeat_last_n"] > 4096 and settings["t_max_predict_ms"] == 0
    assert answer["stopping_word"] == "00" or answer["content"]


def test_fields_without_effect_are_named(client: httpx.Client) -> None:
    fields = {"samplers": ["top_k", "infill"], "mirostat": 2, "dry_multiplier": 0, "cache_prompt": True, "id_slot": 0}
    answer = infill(client, **fields, t_max_prompt_ms=500, cache_promt=False)
    assert answer["ignored_fields"] == ["samplers", "mirostat", "t_max_prompt_ms", "cache_promt"]
    body = {"input_prefix": BEFORE, "stream": True, "n_predict": 2, "grammar": "root ::= [0-9]"}
    with client.stream("POST", "/infill", json=body) as response:
        assert events(response)[-1]["ignored_fields"] == ["grammar"]


def test_several_completions_are_an_array(client: httpx.Client) -> None:
    answers = infill(client, n_cmpl=3)
    assert [each["index"] for each in answers] == [0, 1, 2] and all(each["stop"] for each in answers)
    assert answers[0]["content"] == infill(client)["content"]
    body = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 12, "n_cmpl": 3, "stream": True}
    with client.stream("POST", "/infill", json=body) as response:
        streamed = events(response)
    assert sorted({each["index"] for each in streamed}) == [0, 1, 2]
    assert [each["index"] for each in streamed if each["stop"]] == [0, 1, 2]
    first = "".join(each["content"] for each in streamed if each["index"] == 0)
    assert first == answers[0]["content"]


def test_a_stop_word_ends_the_text_and_is_named(client: httpx.Client) -> None:
    fields = {"prompt": CLASS, "n_predict": 40, "ignore_eos": True}
    whole = complete(client, **fields)["content"]
    word = whole[4:8]
    answer = complete(client, **fields, stop=["\x00", word])
    assert answer["content"] == whole[: whole.index(word)]
    assert (answer["stop_type"], answer["stopping_word"], answer["stop_reason"]) == ("word", word, "stop")
    with client.stream("POST", "/completion", json={**fields, "stop": word, "stream": True}) as response:
        streamed = events(response)
    assert "".join(each["content"] for each in streamed) == answer["content"]
    assert streamed[-1]["stopping_word"] == word


def test_after_its_time_a_text_ends_at_a_line_end(client: httpx.Client) -> None:
    """As llama.vim's first request has it: a budget that is over at once still gives a whole line."""
    fields = {"prompt": CLASS, "n_predict": 200, "ignore_eos": True}
    whole = complete(client, **fields)["content"]
    answer = complete(client, **fields, t_max_predict_ms=1)
    content = answer["content"].rstrip("\n")
    assert (answer["stop_reason"], answer["stop_type"]) == ("time", "limit")
    assert content.strip() and whole.startswith(content) and whole[len(content)] == "\n"


def test_likely_tokens_are_told(client: httpx.Client) -> None:
    answer = infill(client, n_probs=3)
    told = answer["completion_probabilities"]
    assert len(told) == answer["tokens_predicted"]
    for token in told:
        assert len(token["top_logprobs"]) == 3 and token["id"] == token["top_logprobs"][0]["id"], "greedy"
        assert bytes(token["bytes"]).decode("utf-8", "replace") == token["token"]
        assert token["logprob"] == token["top_logprobs"][0]["logprob"] >= token["top_logprobs"][1]["logprob"]


def test_timings_and_tokens_come_with_each_event(client: httpx.Client) -> None:
    body = {"prompt": CLASS, "n_predict": 8, "stream": True, "timings_per_token": True, "ignore_eos": True}
    with client.stream("POST", "/completion", json=body) as response:
        *texts, last = events(response)
    counts = [each["timings"]["predicted_n"] for each in texts]
    assert counts == sorted(counts) and counts[-1] == sum(len(each["tokens"]) for each in texts)
    assert all(each["timings"]["prompt_n"] + each["timings"]["cache_n"] == last["tokens_evaluated"] for each in texts)


def test_biases_and_penalties_have_their_effect(client: httpx.Client) -> None:
    first = infill(client, return_tokens=True)
    banned = first["tokens"][0]
    for bias in (
        [[banned, False]],
        {str(banned): -100, "9" * 5000: 1},
        [["1", False], [banned, -100], [10**9, 1]],
    ):
        assert banned not in infill(client, logit_bias=bias, return_tokens=True)["tokens"]
    assert infill(client, n_predict=4, logit_bias=[["qqq", 1e9]])["content"].startswith("q")
    repeated = infill(client, n_predict=64, return_tokens=True)["tokens"]
    varied = infill(client, n_predict=64, frequency_penalty=2.0, presence_penalty=2.0, return_tokens=True)["tokens"]
    assert len(set(varied)) / len(varied) > len(set(repeated)) / len(repeated)
    assert complete(client, prompt="x", ignore_eos=True, n_predict=32)["tokens_predicted"] == 32


def test_a_prompt_with_tokens_is_the_same_as_infill(client: httpx.Client) -> None:
    expected = infill(client, first_token_budget_ms=0)
    (pre,), (mid,), (suf,) = ([i] for i in (1, 2, 3))
    ids = [client.post("/tokenize", json={"content": text}).json()["tokens"] for text in (BEFORE, AFTER)]
    prompts = [
        PROMPT,
        f"<fim_prefix><fim_suffix>{AFTER}<fim_middle>{BEFORE}",
        f"<PRE> {BEFORE} <SUF>{AFTER} <MID>",
        {"prompt_string": PROMPT},
        [pre, *ids[0], suf, *ids[1], mid],
        [pre, BEFORE, suf, *ids[1], mid],
    ]
    for prompt in prompts:
        answer = complete(client, prompt=prompt)
        assert (answer["content"], answer["prompt"]) == (expected["content"], expected["prompt"])
        assert answer["generation_settings"]["mode"] == "block"
    answers = complete(client, prompt=[PROMPT, [pre, *ids[0], suf, *ids[1], mid]])
    assert [each["content"] for each in answers] == [expected["content"]] * 2
    assert [each["index"] for each in answers] == [0, 1]


def test_a_raw_prompt_is_read_as_it_is(client: httpx.Client) -> None:
    text = "STOP = '<fim_middle>'\n" + CLASS
    ids = client.post("/tokenize", json={"content": text}).json()["tokens"]
    answers = [complete(client, prompt=prompt) for prompt in (text, ids, [text], [*ids[:5], *ids[5:]])]
    answers[2] = answers[2]
    for answer in answers:
        assert answer["prompt"] == text and answer["tokens_evaluated"] == len(ids)
        assert answer["content"] == answers[0]["content"] and not answer["truncated"]
    assert (
        client.post("/completions", json={"prompt": text, "n_predict": 12}).json()["content"] == answers[0]["content"]
    )


def test_a_raw_prompt_keeps_its_end_where_the_context_is_too_small(client: httpx.Client) -> None:
    answer = complete(client, prompt="".join(LINES), n_predict=1)
    assert answer["truncated"] and answer["prompt"].endswith(LINES[-1])
    assert answer["tokens_evaluated"] <= answer["generation_settings"]["n_ctx"]


def test_a_prompt_is_not_cut_to_what_can_be_read_soon_unless_that_is_wanted(client: httpx.Client) -> None:
    before = "".join(LINES[:100]).replace("function", "measured")
    prompt = f"<fim_prefix>{before}<fim_suffix>{AFTER}<fim_middle>"
    quick = complete(client, prompt=prompt, n_predict=1, first_token_budget_ms=1)
    assert quick["truncated"] and before not in quick["prompt"]
    whole = complete(client, prompt=prompt, n_predict=1)
    assert not whole["truncated"] and before in whole["prompt"]


def test_names_of_control_tokens_are_tokens_for_those_who_say_so(client: httpx.Client) -> None:
    def tokenize(**fields: object) -> list[int]:
        tokens: list[int] = client.post("/tokenize", json={"content": PROMPT, **fields}).json()["tokens"]
        return tokens

    plain, control = tokenize(), tokenize(parse_special=True)
    assert not {1, 2, 3} & set(plain) and (control[0], control[-1], control.count(3)) == (1, 2, 1)
    assert complete(client, prompt=control)["content"] == infill(client, first_token_budget_ms=0)["content"]
    assert client.post("/detokenize", json={"tokens": control}).json()["content"] == PROMPT
    assert client.post("/tokenize", json={"content": "", "with_pieces": True}).json() == {"tokens": []}


def test_n_predict_0_reads_a_prompt_of_ids(client: httpx.Client) -> None:
    ids = client.post("/tokenize", json={"content": "".join(LINES[200:260])}).json()["tokens"]
    assert complete(client, prompt=ids, n_predict=0)["tokens_predicted"] == 0
    with client.stream("POST", "/completion", json={"prompt": ids, "n_predict": 0, "stream": True}) as response:
        assert [each["stop"] for each in events(response)] == [True]
    assert complete(client, prompt=ids, n_predict=1)["tokens_evaluated"] == len(ids)


@pytest.mark.parametrize("prompt", [None, 5, [], [[]], [True], [-1], [10**9], {"multimodal_data": []}, [{"x": 1}]])
def test_what_is_no_prompt_is_refused(client: httpx.Client, prompt: object) -> None:
    response = client.post("/completion", json={"prompt": prompt, "n_predict": 1})
    assert response.status_code == (200 if prompt == [[]] else 400), response.text


def test_half_of_a_surrogate_pair_is_no_trouble(client: httpx.Client) -> None:
    for path in ("/infill", "/completion", "/v1/completions", "/v1/fim/completions", "/api/generate"):
        body = rb'{"prompt": "\ud800 \ud83d\ude00", "echo": true, "n_predict": 1, "stop": "\uDFFF", "stream": false}'
        assert client.post(path, content=body).status_code == 200
