"""Each kind of server by the shapes of its answers, each of which names the source that it was read in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcoder.engine.api import Finished, Request, Sampling, Token
from localcoder.engine.local import LocalEngine
from localcoder.engine.remote.address import Address
from localcoder.engine.remote.connection import Access
from localcoder.engine.remote.engine import RemoteEngine
from localcoder.engine.remote.text import bytes_of
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError
from tests.engine.remote.scripted import Answer, Asked, Scripted, answer, scripted, status, stream

DEF, NAME, END = 346, 125, 6
"""Ids of the bundled model: `def`, `x`, and <file_sep>."""


def engine_at(server: Scripted, model: Path, *, name: str = "", token: str = "") -> RemoteEngine:
    return RemoteEngine(Access(Address.parse(f"{server.url}/v1{name and '#' + name}"), token=token), [model])


async def tokens_of(engine: RemoteEngine, request: Request) -> tuple[list[Token], Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return [event for event in events if isinstance(event, Token)], finished


def like_transformers(here: LocalEngine, answered: str) -> Answer:
    """A `/tokenize` on a Hugging Face tokenizer: a name of a control token in the text is that token."""

    async def tokenize(asked: Asked, writer: Any) -> None:
        text = asked.body["prompt"]
        assert asked.body["add_special_tokens"] is False
        if text in CONTROL_NAMES:
            ids: list[int] = [CONTROL_NAMES.index(text)]
        else:
            assert not any(name in text for name in CONTROL_NAMES)
            ids = list((await here.tokenize([text]))[0])
        await answer({answered: ids, "count": len(ids), "max_model_len": 2048})(asked, writer)

    return tokenize


def vllm(here: LocalEngine, **more: Answer) -> dict[str, Answer]:
    """vllm/entrypoints/openai/models/protocol.py (ModelCard), serve/instrumentator/basic.py (/version)."""
    cards = [{"id": name, "owned_by": "vllm", "max_model_len": 2048} for name in ("org/nano", "other")]
    return {
        "/version": answer({"version": "0.32.0"}),
        "/v1/models": answer({"object": "list", "data": cards}),
        "/tokenize": like_transformers(here, "tokens"),
        **more,
    }


async def test_vllm(engine: LocalEngine, demo_model: Path) -> None:
    def event(text: str, ids: list[int], finish: str | None = None, **more: object) -> Mapping[str, object]:
        # CompletionResponseStreamChoice of vllm/entrypoints/openai/completion/protocol.py
        choice = {"index": 0, "text": text, "token_ids": ids, "finish_reason": finish, "stop_reason": None, **more}
        return {"object": "text_completion", "model": "org/nano", "choices": [choice], "usage": None}

    usage = {"prompt_tokens": 3, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    answers = vllm(
        engine,
        **{
            "/v1/completions": stream(
                [
                    event("def", [DEF], logprobs={"token_logprobs": [-0.5], "tokens": ["def"]}),
                    event(" x<file_sep>", [NAME, END], "stop", stop_reason=END, logprobs={"token_logprobs": [-1.0, 0]}),
                    {"choices": [], "usage": usage},
                    "data: [DONE]",
                ]
            )
        },
    )
    async with scripted(answers) as server:
        remote = engine_at(server, demo_model, token="secret")
        info = await remote.info()
        assert (info.name, info.n_ctx, info.window) == ("nano", 2048, 4096)
        request = Request((1, 3, 2), 9000, Sampling(logit_bias=((34, -1e9),)), logprobs=True)
        tokens, finished = await tokens_of(remote, request)
        assert [(t.id, t.text, t.logprob) for t in tokens] == [(DEF, "def", -0.5), (NAME, " x", -1.0)]
        assert finished.reason == "end"
        assert (finished.stats.tokens_read, finished.stats.tokens_reused) == (1, 2)
        (body,) = server.bodies("/v1/completions")
        assert body["prompt"] == [1, 3, 2] and body["max_tokens"] == 2045 and "suffix" not in body
        assert set(body["stop_token_ids"]) == set(info.end_ids)
        assert body["include_stop_str_in_output"] and not body["skip_special_tokens"] and body["return_token_ids"]
        assert body["logit_bias"] == {"34": -100.0} and body["logprobs"] == 0 and "seed" not in body
        assert len(body["cache_salt"]) == 32 and body["cache_salt"] != "secret"
        await remote.close()
        other = engine_at(server, demo_model, name="other")
        assert (await other.info()).name == "other"
        await other.close()
        with pytest.raises(LocalcoderError, match="has no model third") as caught:
            await engine_at(server, demo_model, name="third").info()
        assert "org/nano, other" in caught.value.todo


async def test_vllm_scores(engine: LocalEngine, demo_model: Path) -> None:
    # CompletionResponseChoice.prompt_logprobs: None for the first token, then id → Logprob, of the token itself too.
    likely = {
        "9": {"logprob": -0.1, "rank": 1, "decoded_token": "a"},
        "8": {"logprob": -2.0, "rank": 2, "decoded_token": "b"},
        "5": {"logprob": -7.5, "rank": 90, "decoded_token": "c"},
    }
    choices = [{"index": 0, "text": "", "prompt_logprobs": [None, likely, likely], "finish_reason": "length"}]
    async with scripted(vllm(engine, **{"/v1/completions": answer({"choices": choices})})) as server:
        remote = engine_at(server, demo_model)
        (score,) = await remote.score((1, 9, 5), 2, top=2)
        assert score.logprob == -7.5 and score.top == ((9, -0.1), (8, -2.0))
        assert [each.logprob for each in await remote.score((1, 9, 5), 1)] == [-0.1, -7.5]
        assert server.bodies("/v1/completions")[0]["prompt_logprobs"] == 2
        await remote.close()


async def test_vllm_by_its_own_tokenizer(engine: LocalEngine) -> None:
    async with scripted(vllm(engine)) as server:
        remote = RemoteEngine(Access(Address.parse(server.url)))
        texts = ["a <fim_middle>b<|endoftext|>", "def é(x):\n\treturn x"]
        assert await remote.tokenize(texts) == await engine.tokenize(texts)
        assert (await remote.info()).special == (await engine.info()).special
        await remote.close()


def sglang(here: LocalEngine, **more: Answer) -> dict[str, Answer]:
    """python/sglang/srt/entrypoints/http_server.py and openai/serving_tokenize.py."""
    return {
        "/get_model_info": answer({"model_path": "/models/nano/", "tokenizer_path": "x", "is_generation": True}),
        "/get_server_info": answer({"context_length": None, "max_req_input_len": 3000, "version": "0.5"}),
        "/tokenize": like_transformers(here, "tokens"),
        **more,
    }


@pytest.mark.parametrize("mode", ["all", "new", "new ids, all text"])
async def test_sglang(engine: LocalEngine, demo_model: Path, mode: str) -> None:
    """_handle_batch_output of srt/managers/tokenizer_manager.py, in three versions of it."""
    ids, texts = [DEF, NAME, END], ["def", "x", "<file_sep>"]
    events = []
    for count in (1, 2, 3):
        begin = 0 if mode == "all" else count - 1
        meta: dict[str, Any] = {"id": "1", "prompt_tokens": 3, "completion_tokens": count, "cached_tokens": 2}
        meta["finish_reason"] = {"type": "stop", "matched": END} if count == 3 else None
        meta["output_token_logprobs"] = [[-0.5, token, None] for token in ids[begin:count]]
        text = "".join(texts[count - 1 if mode == "new" else 0 : count])
        events.append({"text": text, "output_ids": ids[begin:count], "meta_info": meta})
    async with scripted(sglang(engine, **{"/generate": stream([*events, "data: [DONE]"])})) as server:
        remote = engine_at(server, demo_model)
        info = await remote.info()
        assert (info.name, info.n_ctx) == ("nano", 3000)
        tokens, finished = await tokens_of(remote, Request((1, 3, 2), 9, Sampling(temperature=0.5), logprobs=True))
        assert [(t.id, t.text, t.logprob) for t in tokens] == [(DEF, "def", -0.5), (NAME, "x", -0.5)]
        assert finished.reason == "end" and finished.stats.tokens_reused == 2
        (body,) = server.bodies("/generate")
        assert body["input_ids"] == [1, 3, 2] and body["sampling_params"]["sampling_seed"] == 0
        assert set(body["sampling_params"]["stop_token_ids"]) == set(info.end_ids)
        await remote.close()


async def test_sglang_scores_and_aborts(engine: LocalEngine, demo_model: Path) -> None:
    meta = {
        "input_token_logprobs": [[None, 1, None], [-0.25, 9, None], [-3.0, 5, None]],
        "input_top_logprobs": [None, [[-0.25, 9, None], [-2.0, 8, None]], [[-0.1, 7, None], [-0.2, 6, None]]],
    }
    async with scripted(sglang(engine, **{"/generate": answer({"text": "", "meta_info": meta})})) as server:
        remote = engine_at(server, demo_model)
        scores = await remote.score((1, 9, 5), 1, top=1)
        assert [(each.logprob, each.top) for each in scores] == [(-0.25, ((9, -0.25),)), (-3.0, ((7, -0.1),))]
        aborted = {"finish_reason": {"type": "abort", "message": "out of memory"}, "completion_tokens": 0}
        server.answers["/generate"] = stream([{"text": "", "output_ids": [], "meta_info": aborted}])
        with pytest.raises(LocalcoderError, match="out of memory"):
            await tokens_of(remote, Request((1, 2), 3))
        await remote.close()


async def text_prompt(engine: RemoteEngine) -> tuple[int, ...]:
    special = (await engine.info()).special
    (ids,) = await engine.tokenize(["def add(a"])
    assert special.fim_prefix is not None and special.fim_suffix is not None and special.fim_middle is not None
    return (special.fim_prefix, special.fim_suffix, special.fim_middle, *ids)


PROMPT = "<fim_prefix><fim_suffix><fim_middle>def add(a"


async def test_tgi(demo_model: Path) -> None:
    """StreamResponse, Token and Info of router/src/lib.rs."""

    def event(token: int, text: str, **more: object) -> Mapping[str, object]:
        return {
            "index": 1, "token": {"id": token, "text": text, "logprob": -0.5, "special": token < 38},
            "generated_text": None, "details": None, **more,
        }  # fmt: skip

    details = {"finish_reason": "stop_sequence", "generated_tokens": 2, "input_length": 4}
    events = [event(NAME, ", b"), event(6, "<file_sep>", generated_text=", b<file_sep>", details=details)]
    info = {"model_id": "org/starcoder2-15b", "max_total_tokens": 8192, "max_stop_sequences": 4, "version": "3"}
    answers = {"/info": answer(info), "/generate_stream": stream(events, prefix="data:")}
    async with scripted(answers) as server:
        remote = engine_at(server, demo_model)
        tokens, finished = await tokens_of(remote, Request(await text_prompt(remote), 9, logprobs=True))
        assert [(t.id, t.text, t.logprob) for t in tokens] == [(NAME, ", b", -0.5)] and finished.reason == "end"
        (body,) = server.bodies("/generate_stream")
        assert body["inputs"] == PROMPT
        assert body["parameters"] == {
            "max_new_tokens": 9, "do_sample": False, "return_full_text": False,
            "stop": ["<|endoftext|>", "<file_sep>", "<fim_prefix>", "<repo_name>"],
        }  # fmt: skip
        with pytest.raises(LocalcoderError, match="how likely"):
            await remote.score((1, 2, 3), 1)
        await remote.warm((1, 2, 3))
        await remote.close()


async def test_ollama(demo_model: Path) -> None:
    """ListModelResponse, ShowResponse and GenerateResponse of api/types.go."""
    models = [
        {"name": "llama3:8b", "size": 1, "details": {"family": "llama"}},
        {"name": "starcoder2:3b", "size": 1700, "details": {"family": "starcoder2"}},
    ]

    async def show(asked: Asked, writer: Any) -> None:
        family = asked.body["model"].split(":")[0].replace("llama3", "llama")
        shown = {"details": {"quantization_level": "Q4_0"}, "model_info": {"general.architecture": family}}
        shown["model_info"]["starcoder2.context_length"] = 16384
        await answer(shown)(asked, writer)

    parts = [{"response": text, "done": False} for text in (", b", "):\n <fi", "le", "s> = <fim_", "suffix>x")]
    end = {"response": "", "done": True, "done_reason": "stop", "prompt_eval_count": 64, "prompt_eval_duration": 10**9}
    answers = {
        "/api/version": answer({"version": "0.9.0"}),
        "/api/tags": answer({"models": models}),
        "/api/show": show,
        "/api/generate": stream([*parts, end], prefix=""),
    }
    async with scripted(answers) as server:
        remote = engine_at(server, demo_model)
        assert (await remote.info()).n_ctx == 4096
        tokens, finished = await tokens_of(remote, Request(await text_prompt(remote), 9))
        # What looked like the beginning of a token's name came out when it was none.
        assert "".join(token.text for token in tokens) == ", b):\n <files> = "
        assert finished.reason == "end" and finished.stats.tokens_generated == 3
        (body,) = server.bodies("/api/generate")
        assert body["model"] == "starcoder2:3b" and body["prompt"] == PROMPT and body["raw"] is True
        assert {"<|endoftext|>", "<file_sep>", "<jupyter_code>"} <= set(body["options"]["stop"])
        await remote.close()
        with pytest.raises(LocalcoderError, match="architecture 'llama'"):
            await engine_at(server, demo_model, name="llama3:8b").info()
        # A model that is not there any more is told in its own words.
        server.answers["/api/generate"] = answer({"error": "model not found"}, 400)
        remote = engine_at(server, demo_model)
        with pytest.raises(LocalcoderError, match="model not found"):
            await tokens_of(remote, Request(await text_prompt(remote), 9))
        await remote.close()


async def test_any_other(demo_model: Path) -> None:
    events = [
        {"choices": [{"index": 0, "text": ", b", "finish_reason": None}]},
        {"choices": [{"index": 0, "text": "", "finish_reason": "length"}]},
        {"choices": [], "usage": {"completion_tokens": 1}},
        "data: [DONE]",
    ]
    answers = {
        "/v1/models": answer({"object": "list", "data": [{"id": "starcoder2", "owned_by": "library"}]}),
        "/v1/completions": stream(events),
    }
    async with scripted(answers) as server:
        remote = engine_at(server, demo_model)
        tokens, finished = await tokens_of(remote, Request(await text_prompt(remote), 9))
        assert [token.text for token in tokens] == [", b"] and finished.reason == "length"
        assert server.bodies("/v1/completions")[0]["prompt"] == PROMPT
        await remote.close()
        without = RemoteEngine(Access(Address.parse(server.url)))
        with pytest.raises(LocalcoderError, match="tells nothing of its vocabulary"):
            await without.info()
        await without.close()


async def test_code_with_a_control_token_in_it_is_not_sent_as_text(demo_model: Path) -> None:
    answers = {
        "/v1/models": answer({"object": "list", "data": [{"id": "starcoder2", "owned_by": "library"}]}),
        "/v1/completions": status(500),
    }
    async with scripted(answers) as server:
        remote = engine_at(server, demo_model)
        (ids,) = await remote.tokenize(["stop = '<|endoftext|>'"])
        with pytest.raises(LocalcoderError, match=r"The code contains <\|endoftext\|>"):
            await tokens_of(remote, Request((1, 3, 2, *ids), 9))
        assert not server.bodies("/v1/completions")
        await remote.close()


async def test_the_letters_of_tokenizers_stand_for_bytes(engine: LocalEngine, demo_model: Path) -> None:
    from gguf import GGUFReader

    tokens = GGUFReader(demo_model).fields["tokenizer.ggml.tokens"].contents()
    assert [bytes_of(token) for token in tokens[38:]] == await engine.pieces(range(38, len(tokens)))
