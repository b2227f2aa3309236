"""The remote engine with servers that are not what it expects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcoder.engine.api import Finished, Request, Token
from localcoder.engine.remote.address import Address
from localcoder.engine.remote.connection import Access
from localcoder.engine.remote.engine import RemoteEngine
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError
from tests.engine.remote.scripted import Answer, Asked, answer, scripted, stream

PROPS = {"default_generation_settings": {"n_ctx": 512}, "model_alias": "some", "model_ftype": "F16"}


def llama(more: Mapping[str, Answer] | None = None, *, control: bool = True) -> dict[str, Answer]:
    """As llama-server answers (tools/server/README.md), with an id for each character above the control tokens."""

    async def tokenize(asked: Asked, writer: Any) -> None:
        text, special = asked.body["content"], asked.body["parse_special"] and control
        if special and text in CONTROL_NAMES:
            tokens: list[Mapping[str, Any]] = [{"id": CONTROL_NAMES.index(text), "piece": text}]
        else:
            tokens = [{"id": 100 + ord(letter), "piece": letter} for letter in text]
        await answer({"tokens": tokens})(asked, writer)

    models = {"data": [{"id": "some.gguf", "meta": {"n_vocab": 9, "n_params": 5, "size": 7}}]}
    return {"/props": answer(PROPS), "/v1/models": answer(models), "/tokenize": tokenize, **(more or {})}


def engine_at(url: str, *files: Path, required: bool = False) -> RemoteEngine:
    return RemoteEngine(Access(Address.parse(url)), files, required=required)


async def test_another_vocabulary_than_the_files_is_noticed(demo_model: Path) -> None:
    async with scripted(llama()) as server:
        engine = engine_at(server.url, demo_model)
        assert await engine.tokenize(["ab"]) == [(197, 198)]
        assert await engine.pieces([197, 2]) == [b"a", b"<fim_middle>"]
        await engine.close()
        engine = engine_at(server.url, demo_model, required=True)
        with pytest.raises(LocalcoderError, match="has another vocabulary than some") as caught:
            await engine.info()
        assert caught.value.exit_code == 2
        await engine.close()


async def test_a_model_without_fill_in_the_middle_is_refused(demo_model: Path) -> None:
    async with scripted(llama(control=False)) as server:
        engine = engine_at(server.url, demo_model)
        with pytest.raises(LocalcoderError, match="some, which has no fill-in-the-middle tokens"):
            await engine.info()
        await engine.close()


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({}, "no server that localcoder knows"),
        ({"": answer({})}, "no server that localcoder knows"),
        ({"/props": answer(PROPS), "/v1/models": answer({"data": []})}, "says of itself is not understood"),
        ({"/props": answer(PROPS), "/v1/models": answer([1])}, "says of itself is not understood"),
        ({"/props": answer(b"<html>")}, "is not JSON"),
    ],
)
async def test_what_is_no_such_server_is_told_in_one_line(answers: dict[str, Answer], what: str) -> None:
    async with scripted(answers) as server:
        engine = engine_at(server.url)
        with pytest.raises(LocalcoderError, match=what) as caught:
            await engine.info()
        assert "\n" not in caught.value.what and caught.value.todo
        await engine.close()


async def tokens_of(engine: RemoteEngine, request: Request) -> tuple[list[Token], Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return [event for event in events if isinstance(event, Token)], finished


async def test_any_control_token_ends_it_also_one_that_the_server_goes_on_after() -> None:
    events = [
        {"content": "a", "tokens": [197], "stop": False},
        {"content": "<jupyter_code>", "tokens": [12], "stop": False},
        {"content": "never", "tokens": [210], "stop": False},
    ]
    async with scripted(llama({"/completion": stream(events, pause_s=0.01)})) as server:
        engine = engine_at(server.url)
        tokens, finished = await tokens_of(engine, Request((1, 2, 300), 100_000))
        assert [(token.id, token.text) for token in tokens] == [(197, "a")]
        assert finished.reason == "end" and finished.stats.tokens_generated == 1
        assert server.bodies("/completion")[0]["n_predict"] == 512 - 3
        await engine.close()


async def test_a_token_that_was_begun_is_the_end_of_the_prompt() -> None:
    last = {"content": "c", "tokens": [199], "stop": True, "stop_type": "eos"}
    async with scripted(llama({"/completion": stream([last])})) as server:
        engine = engine_at(server.url)
        tokens, _ = await tokens_of(engine, Request((1, 2), 5, forced=b"ab"))
        assert server.bodies("/completion")[0]["prompt"] == [1, 2, 197, 198]
        assert [token.text for token in tokens] == ["c"]
        await engine.close()


async def test_a_stream_that_ends_without_its_last_word_broke_off() -> None:
    async with scripted(llama({"/completion": stream([{"content": "a", "tokens": [197]}])})) as server:
        engine = engine_at(server.url)
        with pytest.raises(LocalcoderError, match="broke off in the middle"):
            await tokens_of(engine, Request((1, 2), 5))
        await engine.close()


async def test_events_that_are_not_understood_are_told_in_one_line() -> None:
    async with scripted(llama({"/completion": stream([{"prompt_progress": {"done": 1}}])})) as server:
        engine = engine_at(server.url)
        with pytest.raises(LocalcoderError, match="answers what is not understood") as caught:
            await tokens_of(engine, Request((1, 2), 5))
        assert "\n" not in caught.value.what
        await engine.close()


async def test_a_closed_engine_connects_no_more() -> None:
    async with scripted(llama()) as server:
        engine = engine_at(server.url)
        await engine.info()
        await engine.close()
        count = len(server.asked)
        with pytest.raises(LocalcoderError, match="was closed"):
            await engine.info()
        assert len(server.asked) == count
