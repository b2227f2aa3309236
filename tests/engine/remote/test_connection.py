"""What goes wrong on the way to a server, and what is done about it."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from localcoder.engine.remote.address import Address
from localcoder.engine.remote.connection import Access, Connection
from localcoder.engine.remote.failures import NotOffered, ServerAway
from localcoder.errors import LocalcoderError
from tests.engine.remote.scripted import answer, hang_up, in_turn, say_nothing, scripted, status, stream

EVENTS = [{"n": 1}, {"n": 2}]


def connect(url: str, **how: Any) -> Connection:
    return Connection(Access(Address.parse(url), **how))


async def collect(connection: Connection) -> list[Mapping[str, Any]]:
    return [event async for event in connection.events("/x", {"a": 1})]


async def test_events_come_by_lines_and_comments_are_left_out() -> None:
    events = [": ping", {"text": "a\u2028b\x85c"}, "event: x", '{"bare": 1}', "data: [DONE]"]
    async with scripted({"/x": stream(events)}) as server:
        connection = connect(server.url, token="secret")
        assert await collect(connection) == [{"text": "a\u2028b\x85c"}, {"bare": 1}]
        assert await collect(connection) == [{"text": "a\u2028b\x85c"}, {"bare": 1}]
        await connection.close()
    assert server.bodies("/x") == [{"a": 1}, {"a": 1}]
    assert server.asked[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("first", [hang_up, status(503, "Loading model"), stream([], breaks_off=True)])
async def test_what_may_pass_is_asked_again(first: Any) -> None:
    async with scripted({"/x": in_turn(first, stream(EVENTS))}) as server:
        connection = connect(server.url)
        assert await collect(connection) == EVENTS
        assert len(server.asked) == 2
        await connection.close()


async def test_what_was_shown_is_not_asked_for_again() -> None:
    async with scripted({"/x": stream(EVENTS, breaks_off=True)}) as server:
        connection = connect(server.url)
        seen = []
        with pytest.raises(ServerAway, match="broke off in the middle of an answer"):
            async for event in connection.events("/x", {}):
                seen.append(event)
        assert seen == EVENTS and len(server.asked) == 1
        await connection.close()


async def test_three_tries_are_enough() -> None:
    for script, what in ((hang_up, "cannot be reached"), (status(503, "Loading model."), "not ready: Loading model")):
        async with scripted({"/x": script}) as server:
            connection = connect(server.url)
            begun = time.perf_counter()
            with pytest.raises(ServerAway, match=what):
                await collect(connection)
            assert time.perf_counter() - begun < 3
            await connection.close()
        assert len(server.asked) == 3


async def test_who_is_to_come_back_later_does_not_wait() -> None:
    async with scripted({"/x": status(503, "busy", Retry_After="30")}) as server:
        connection = connect(server.url)
        with pytest.raises(ServerAway, match="busy") as caught:
            await collect(connection)
        assert "30 s" in caught.value.todo and len(server.asked) == 1
        await connection.close()


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (status(401), "wants a token"),
        (status(403, "no"), "wants a token"),
        (status(429, "slow down", Retry_After="7"), "too many requests: slow down"),
        (status(400, "prompt is too long"), "answers /x with 400: prompt is too long"),
        (answer({"detail": "x"}, 422), "with 422: x"),
        (answer(b"<html>Bad gateway</html>", 502), "fails with 502"),
        (answer(b"", 302, Location="https://elsewhere/"), "sends elsewhere, to https://elsewhere/"),
        (stream([{"error": {"message": "out of memory"}}]), "ended it: out of memory"),
        (stream([{"error": "out of memory"}]), "ended it: out of memory"),
        (stream(["data: {nonsense"]), "is not JSON"),
    ],
)
async def test_a_refusal_is_told_in_one_line_and_not_repeated(script: Any, what: str) -> None:
    async with scripted({"/x": script}) as server:
        connection = connect(server.url)
        with pytest.raises(LocalcoderError, match=what) as caught:
            await collect(connection)
        assert "\n" not in caught.value.what and caught.value.todo
        assert len(server.asked) == 1
        with pytest.raises(NotOffered):
            await connection.get("/none")
        await connection.close()


async def test_429_says_when() -> None:
    async with scripted({"/x": status(429, Retry_After="7")}) as server:
        connection = connect(server.url)
        with pytest.raises(LocalcoderError) as caught:
            await collect(connection)
        assert caught.value.todo == "Try again in 7 s."
        await connection.close()


async def test_a_server_that_says_nothing() -> None:
    for script in (say_nothing, stream(EVENTS, pause_s=30)):
        async with scripted({"/x": script}) as server:
            connection = connect(server.url, silence_s=0.2)
            begun = time.perf_counter()
            with pytest.raises(ServerAway, match=r"said nothing for 0\.2 s"):
                await collect(connection)
            assert time.perf_counter() - begun < 2 and len(server.asked) == 1
            await connection.close()


async def test_closing_the_stream_closes_the_connection() -> None:
    async with scripted({"/x": stream(EVENTS * 1000, pause_s=0.01)}) as server:
        connection = connect(server.url)
        async with aclosing(connection.events("/x", {})) as events:
            async for _ in events:
                break
        await asyncio.wait_for(server.left.wait(), 0.15)
        await connection.close()


async def test_nobody_listens() -> None:
    async with scripted({}) as server:
        pass
    connection = connect(server.url)
    with pytest.raises(ServerAway, match="cannot be reached"):
        await connection.get("/x")
    await connection.close()


async def test_the_way_goes_through_the_proxy() -> None:
    async with scripted({"": answer({"from": "the proxy"})}) as proxy:
        connection = connect("http://box.invalid:9", proxy=proxy.url)
        assert await connection.get("/x") == {"from": "the proxy"}
        assert proxy.asked[0].path == "http://box.invalid:9/x"
        await connection.close()
    connection = connect("http://box.invalid:9", proxy=proxy.url)
    with pytest.raises(ServerAway, match="cannot be reached"):
        await connection.get("/x")
    await connection.close()
    with pytest.raises(LocalcoderError, match="is no proxy"):
        await connect("http://box.invalid:9", proxy="proxy:3128").get("/x")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that signs itself, for 127.0.0.1: what a team makes for itself, or a stranger in the middle."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=box", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


async def test_who_does_not_prove_who_it_is_gets_nothing(certificate: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with scripted({"/x": stream(EVENTS)}, context) as server:
        connection = connect(server.url, token="secret")
        with pytest.raises(LocalcoderError, match=r"does not prove who it is: self.signed") as caught:
            await collect(connection)
        assert not isinstance(caught.value, ServerAway) and "server_ca" in caught.value.todo
        assert not server.asked
        await connection.close()
        trusting = connect(server.url, token="secret", authority=certificate)
        assert await collect(trusting) == EVENTS
        await trusting.close()
        # The certificate is for the address alone.
        other = connect(server.url.replace("127.0.0.1", "localhost"), authority=certificate)
        with pytest.raises(LocalcoderError, match="does not prove who it is"):
            await collect(other)
        await other.close()
    (tmp_path / "none").write_text("no certificate")
    for authority in (tmp_path / "none", tmp_path / "missing"):
        with pytest.raises(LocalcoderError, match="holds no certificates"):
            await connect(server.url, authority=authority).get("/x")


async def test_a_server_without_tls_behind_https() -> None:
    async with scripted({"/x": answer({})}) as server:
        connection = connect(server.url.replace("http:", "https:"))
        with pytest.raises(LocalcoderError, match="does not prove who it is"):
            await connection.get("/x")
        await connection.close()
