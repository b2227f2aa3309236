"""The remote engine against the real llama-server, with the bundled model."""

from __future__ import annotations

import asyncio
import inspect
import signal
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from localcoder.completion.complete import Completion, Options, TextDelta, complete
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.api import Engine, Finished, ReadProgress, Request, Sampling, Token
from localcoder.engine.local import LocalEngine
from localcoder.engine.remote.address import Address
from localcoder.engine.remote.connection import Access
from localcoder.engine.remote.engine import RemoteEngine
from localcoder.engine.remote.failures import ServerAway
from localcoder.errors import LocalcoderError
from tests.engine.remote.programs import Program, free_port, llama_server

CODE = inspect.getsource(textwrap)


@pytest.fixture(scope="module")
def server(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with llama_server(demo_model, tmp_path_factory.mktemp("server")) as program:
        yield program


def engine_at(url: str, *files: Path, **how: float | str) -> RemoteEngine:
    return RemoteEngine(Access(Address.parse(url), **how), files)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def remote(server: Program, demo_model: Path) -> AsyncIterator[RemoteEngine]:
    engine = engine_at(server.url, demo_model)
    yield engine
    await engine.close()


async def generate(engine: Engine, request: Request) -> tuple[list[Token], Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return [event for event in events if isinstance(event, Token)], finished


def endless(info_end_ids: tuple[int, ...]) -> Sampling:
    return Sampling(logit_bias=tuple((i, -1e9) for i in info_end_ids))


async def test_it_knows_the_model_and_its_own_tokens(
    remote: RemoteEngine, engine: LocalEngine, server: Program
) -> None:
    found, here = await remote.info(), await engine.info()
    assert found.special == here.special and found.end_ids == here.end_ids
    assert found.redaction_ids == here.redaction_ids
    assert (found.n_vocab, found.parameters, found.type_name) == (here.n_vocab, here.parameters, here.type_name)
    assert found.name == "nano-Q8_0" and found.host == "127.0.0.1" and found.path == server.url
    assert found.n_ctx <= 4096


@pytest.mark.parametrize("with_file", [True, False])
async def test_user_text_has_the_ids_that_it_has_here(
    server: Program, engine: LocalEngine, demo_model: Path, with_file: bool
) -> None:
    """By the file's vocabulary, and by the server's own."""
    remote = engine_at(server.url, *([demo_model] if with_file else []))
    texts = ["<fim_middle>", "a<|endoftext|>b <NAME>", "def f():\n\treturn 'é😀'\r\n", "", CODE[:500]]
    assert await remote.tokenize(texts) == await engine.tokenize(texts)
    ids = (await engine.tokenize(texts))[2]
    assert await remote.pieces(ids) == await engine.pieces(ids)
    special = (await remote.info()).special
    assert special == (await engine.info()).special
    assert await remote.pieces([special.fim_middle or 0]) == [b"<fim_middle>"]
    await remote.close()


def documents(count: int) -> list[Document]:
    step = len(CODE) // (count + 1)
    return [Document(CODE, at) for at in range(step, step * count + 1, step)]


async def last(updates: AsyncIterator[object]) -> Completion:
    found = [update async for update in updates]
    assert isinstance(found[-1], Completion)
    text = "".join(update.text for update in found if isinstance(update, TextDelta))
    assert text == found[-1].text
    return found[-1]


async def test_completions_are_those_of_the_local_engine(f32_model: Path, tmp_path: Path) -> None:
    """Within the window, past which llama-server computes something else.

    A quantized model rounds its inputs too, and in other batches in another way: six of fifty differed with Q8_0.
    """
    options, same = Options(max_tokens=24, max_prompt_tokens=180), 0
    with llama_server(f32_model, tmp_path) as program:
        remote, local = engine_at(program.url, f32_model), LocalEngine(f32_model, n_threads=1)
        for document in documents(50):
            there = await last(complete(document, remote, options))
            here = await last(complete(document, local, options))
            assert there.prompt_ids == here.prompt_ids
            same += there.text == here.text and there.reason == here.reason
        await local.close()
        await remote.close()
    assert same >= 49


async def test_while_typing_the_servers_cache_is_used(remote: RemoteEngine) -> None:
    session, at, line = PromptSession(), CODE.index("    def _split_chunks"), "    def names(self):\n"
    reused = []
    for typed in range(len(line)):
        document = Document(CODE[:at] + line[:typed] + CODE[at:], at + typed)
        done = await last(complete(document, remote, Options(max_tokens=8), session))
        reused.append((done.stats.tokens_reused, len(done.prompt_ids)))
        assert done.stats.tokens_read + done.stats.tokens_reused == len(done.prompt_ids)
        await session.stop_reading()
    assert all(cached >= total - 8 for cached, total in reused[1:]), reused


async def test_reading_ahead_is_found_in_the_cache(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize([CODE[3000:6000]]))[0]
    assert (await remote.estimate(ids)).unread > 100
    await remote.warm(ids)
    assert (await remote.estimate(ids)).unread == 0
    _, finished = await generate(remote, Request(ids, 1))
    assert finished.stats.tokens_read <= 1


async def test_progress_counts_to_the_whole_prompt(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize([CODE]))[0][:1500]
    progress = [e async for e in remote.generate(Request(ids, 1)) if isinstance(e, ReadProgress)]
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert len(progress) > 1 and progress[-1].done == progress[-1].total == len(ids)


async def test_logprobs_bias_and_alternatives(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize([CODE[:300]]))[0]
    (token,), _ = await generate(remote, Request(ids, 1, logprobs=True))
    assert token.logprob is not None and -20 < token.logprob <= 0
    (other,), _ = await generate(remote, Request(ids, 1, Sampling(logit_bias=((token.id, -1e9),))))
    assert other.id != token.id
    greedy, _ = await generate(remote, Request(ids, 10))
    tokens, finished = await generate(remote, Request(ids, 10, alternatives=3))
    branches = [[t.id for t in tokens if t.alternative == i and t.id >= 0] for i in range(3)]
    assert branches[0] == [t.id for t in greedy if t.id >= 0] and len(set(map(tuple, branches))) > 1
    assert finished.stats.tokens_generated == sum(map(len, branches))


async def test_text_in_the_middle_of_a_character_waits(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize(["# Überschrift, größer\n# Größe, Straße, über\n# "]))[0]
    tokens, _ = await generate(remote, Request(ids, 40, endless((await remote.info()).end_ids)))
    assert not any("\ufffd" in token.text for token in tokens)


async def test_cancel_closes_the_stream_within_150_ms(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize([CODE[:300]]))[0]
    request = Request(ids, 3000, endless((await remote.info()).end_ids))
    took = []
    for how in ("cancel", "newer", "close") * 2:
        cancelled = 0.0
        async with aclosing(remote.generate(request)) as events:
            seen = 0
            async for event in events:
                seen += isinstance(event, Token)
                if seen == 5 and not cancelled:
                    cancelled = time.perf_counter()
                    if how == "close":
                        break
                    if how == "cancel":
                        await remote.cancel(request)
                    else:
                        newer = asyncio.create_task(generate(remote, Request(ids, 1)))
                        await asyncio.sleep(0)
                if isinstance(event, Finished):
                    assert event.reason == "cancelled"
        took.append(time.perf_counter() - cancelled)
        if how == "newer":
            await newer
    assert max(took) < 0.15, took
    # The server is free again: one that goes on for 3,000 tokens would hold its only slot.
    begun = time.perf_counter()
    await generate(remote, Request(ids, 1))
    assert time.perf_counter() - begun < 1.0


async def test_a_request_ends_what_is_read_ahead(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize([CODE[::-1]]))[0][:3500]
    reading = asyncio.create_task(remote.warm(ids))
    await asyncio.sleep(0.2)
    assert not reading.done()
    await generate(remote, Request(ids[:20], 1))
    await asyncio.wait_for(reading, 0.5)


async def test_what_it_cannot_tell_is_said(remote: RemoteEngine) -> None:
    ids = (await remote.tokenize([CODE[:100]]))[0]
    with pytest.raises(LocalcoderError, match="how likely a given text is"):
        await remote.score(ids, 5)
    assert await remote.score(ids, len(ids)) == []
    with pytest.raises(LocalcoderError, match="takes 4096"):
        await generate(remote, Request(ids * 200, 1))


async def test_killed_in_mid_stream_and_back_again(demo_model: Path, tmp_path: Path) -> None:
    port = free_port()
    with llama_server(demo_model, tmp_path, port=port) as program:
        engine = engine_at(program.url, demo_model)
        ids = (await engine.tokenize([CODE[:300]]))[0]
        request = Request(ids, 3000, endless((await engine.info()).end_ids))
        texts = []
        with pytest.raises(ServerAway, match="broke off in the middle"):
            async for event in engine.generate(request):
                if isinstance(event, Token):
                    texts.append(event.text)
                    program.process.send_signal(signal.SIGKILL)
        assert texts
    with pytest.raises(ServerAway, match="cannot be reached"):
        await engine.info()
    with llama_server(demo_model, tmp_path, port=port):
        _, finished = await generate(engine, Request(ids, 2))
        assert finished.stats.tokens_generated == 2
    await engine.close()


async def test_its_token(demo_model: Path, tmp_path: Path) -> None:
    with llama_server(demo_model, tmp_path, "--api-key", "secret") as program:
        for token, what in (("", "wants a token"), ("wrong", "refuses the token")):
            engine = engine_at(program.url, demo_model, token=token)
            with pytest.raises(LocalcoderError, match=what) as caught:
                await engine.info()
            assert caught.value.exit_code == 2 and "wrong" not in repr(engine._access)
            await engine.close()
        engine = engine_at(program.url, demo_model, token="secret")
        assert (await engine.info()).name == "nano-Q8_0"
        await engine.close()
