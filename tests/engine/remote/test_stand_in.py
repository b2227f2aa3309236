"""A local model answers while a server is away, and the server is back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import pytest

from localcoder.engine.api import Engine, Event, Finished, ModelInfo, Request, Stats, Token
from localcoder.engine.remote.failures import ServerAway
from localcoder.engine.remote.stand_in import StandIn
from localcoder.errors import LocalcoderError
from tests.completion.word_engine import INFO, WordEngine

REQUEST = Request((1, 2, 3), 4)


@dataclass
class Server(WordEngine):
    """`failure` is what it raises, after `before` tokens."""

    failure: LocalcoderError | None = None
    before: int = 0
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def info(self) -> ModelInfo:
        if self.failure is not None and not self.before:
            raise self.failure
        return replace(INFO, name="server", host="box")

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        for _ in range(self.before or 2):
            if self.failure is not None and not self.before:
                raise self.failure
            yield Token(7, "from the server")
        if self.failure is not None:
            raise self.failure
        yield Finished("end", Stats(3, 0, 2, 0.0, 1.0, 0.0))


AWAY = ServerAway("box cannot be reached: no route.", "Check it.")


def make(server: Server, look_s: float = 0.05) -> tuple[Engine, list[str], list[WordEngine]]:
    said: list[str] = []
    made: list[WordEngine] = []

    def local() -> Engine:
        made.append(WordEngine())
        return made[-1]

    return StandIn(server, local, said.append, look_s), said, made


async def texts(engine: Engine) -> list[str]:
    return [event.text async for event in engine.generate(REQUEST) if isinstance(event, Token)]


async def test_while_the_server_answers_no_local_model_is_loaded() -> None:
    engine, said, made = make(Server())
    assert (await engine.info()).host == "box"
    assert await texts(engine) == ["from the server"] * 2
    await engine.close()
    assert not said and not made


async def test_it_takes_over_and_the_server_comes_back_by_itself() -> None:
    server = Server()
    engine, said, made = make(server)
    await engine.info()
    server.failure = AWAY
    assert await texts(engine) == ["x"]
    assert said == ["box cannot be reached: no route. words answers until it is back."]
    assert (await engine.info()).host == "" and await texts(engine) == ["x"]
    assert len(server.asked) == 1 and len(made) == 1
    server.failure = None
    await asyncio.sleep(0.15)
    assert said[1:] == ["server is back."]
    assert await texts(engine) == ["from the server"] * 2
    await engine.close()


async def test_a_server_that_is_away_at_the_start() -> None:
    engine, said, _ = make(Server(failure=AWAY))
    infos = await asyncio.gather(*(engine.info() for _ in range(3)))
    assert {info.name for info in infos} == {"words"} and len(said) == 1
    assert await engine.tokenize(["a b"]) and (await engine.estimate((1, 2))).total == 2
    await engine.close()


async def test_what_broke_in_the_middle_is_not_told_twice() -> None:
    server = Server(failure=AWAY, before=1)
    engine, said, _ = make(server)
    seen = []
    with pytest.raises(ServerAway):
        async for event in engine.generate(REQUEST):
            seen.append(event)
    assert [event.text for event in seen if isinstance(event, Token)] == ["from the server"]
    assert len(said) == 1 and await texts(engine) == ["x"]
    await engine.close()


async def test_what_is_wrong_with_the_request_is_not_the_servers_absence() -> None:
    engine, said, made = make(Server(failure=LocalcoderError("box refuses the token.")))
    with pytest.raises(LocalcoderError, match="refuses"):
        await texts(engine)
    with pytest.raises(LocalcoderError, match="refuses"):
        await engine.info()
    assert not said and not made
    await engine.close()


async def test_a_server_that_comes_back_as_another_model_is_told_once() -> None:
    server = Server(failure=AWAY)
    engine, said, _ = make(server)
    await engine.info()
    server.failure = LocalcoderError("x.gguf has another vocabulary.")
    await asyncio.sleep(0.2)
    assert said[1:] == ["x.gguf has another vocabulary. The local model goes on."]
    assert await texts(engine) == ["x"]
    await engine.close()
