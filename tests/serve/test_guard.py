"""Who is answered, who is refused, and in which words: over real sockets."""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from localcoder.errors import LocalcoderError
from localcoder.serve.check import check
from localcoder.serve.guard import CLIENT_LIMIT, Access
from tests.serve.serving import serving
from tests.tui.fake_engine import FakeEngine

BODY = {"input_prefix": "x = ", "n_predict": 4}


def get(port: int, path: str = "/health", **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "localhost.", "localhost.:80", "127.0.0.1", "127.0.0.2:9", "[::1]:9", "0.0.0.0"],
)
def test_each_name_of_this_machine_is_served(port: int, host: str) -> None:
    assert get(port, Host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_other_names_are_not(port: int, host: str) -> None:
    answer = get(port, Host=host)
    assert answer.status_code == 403 and "--host" in answer.json()["error"]["message"]


def test_a_name_that_is_listened_on_is_served() -> None:
    with serving(Access(names=frozenset({"mybox"}))) as port:
        assert get(port, Host="MyBox:8012").status_code == 200 and get(port, Host="other").status_code == 403


def preflight(port: int, origin: str) -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return httpx.options(f"http://127.0.0.1:{port}/infill", headers=asked)


NAMED = ("https://ide.example", "vscode-webview://")


@pytest.mark.parametrize(
    ("origin", "usually", "when_named"),
    [
        ("http://localhost:3000", True, True),
        ("http://127.0.0.1", True, True),
        ("http://[::1]:5173", True, True),
        ("https://ide.example", False, True),
        ("https://ide.example.evil.example", False, False),
        ("http://ide.example", False, False),
        ("vscode-webview://1a2b3c", False, True),
        ("http://localhost.evil.example", False, False),
        ("null", False, False),
    ],
)
def test_pages_are_answered_from_loopback_and_from_named_origins(
    port: int, origin: str, usually: bool, when_named: bool
) -> None:
    def is_answered(port: int) -> bool:
        before, after = preflight(port, origin), get(port, "/v1/models", Origin=origin)
        allowed = [each.headers.get("access-control-allow-origin") for each in (before, after)]
        statuses = [before.status_code, after.status_code]
        assert (statuses, allowed) in (([200, 200], [origin, origin]), ([403, 403], [None, None]))
        return before.status_code == 200

    assert is_answered(port) == usually
    with serving(Access(tokens=(), origins=NAMED)) as named:
        assert is_answered(named) == when_named


def test_a_preflight_needs_no_token_and_a_refusal_can_be_read() -> None:
    with serving(Access(tokens=("secret",))) as port:
        assert preflight(port, "http://localhost:3000").status_code == 200
        refused = get(port, "/v1/models", Origin="http://localhost:3000")
        assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer secret"}, 200),
        ({"Authorization": "bearer secret"}, 200),
        ({"Authorization": "BEARER  second"}, 200),
        ({"X-API-Key": "secret"}, 200),
        ({"X-API-Key": "secret", "Authorization": "Bearer none"}, 200),
        ({"Authorization": "secret"}, 401),
        ({"Authorization": "Basic secret"}, 401),
        ({"Authorization": "Bearer secre"}, 401),
        ({"X-API-Key": ""}, 401),
        ({}, 401),
    ],
)
def test_tokens(token_port: int, headers: dict[str, str], status: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{token_port}/v1/models", headers=headers)
    assert answer.status_code == status
    assert (answer.headers.get("www-authenticate") == "Bearer") == (status == 401)
    assert get(token_port).status_code == 200, "whether it is up anybody may know"


@pytest.fixture(scope="module")
def token_port() -> Iterator[int]:
    with serving(Access(tokens=("secret", "second"))) as port:
        yield port


def test_one_of_several_clients_leaves_room_for_the_others() -> None:
    with serving(Access(tokens=("one", "two"))) as port:
        url = f"http://127.0.0.1:{port}/infill"

        def ask(token: str) -> int:
            with httpx.stream("POST", url, json=BODY, headers={"X-API-Key": token}, timeout=60) as answer:
                return answer.status_code

        head = (
            f"POST /infill HTTP/1.1\r\nHost: localhost\r\nX-API-Key: one\r\nContent-Length: {len(json.dumps(BODY))}\r\n"
        )
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENT_LIMIT)]
        for each in waiting:
            each.sendall(f"{head}\r\n".encode())
        # Their bodies are still to come, so each of them is being answered from when it is taken in on.
        deadline = time.monotonic() + 60
        while (refused := httpx.post(url, json=BODY, headers={"X-API-Key": "one"}, timeout=60)).status_code != 429:
            assert time.monotonic() < deadline
        assert refused.headers["retry-after"] == "1" and refused.json()["error"]["type"] == "rate_limit_error"
        assert ask("two") == 200
        for each in waiting:
            each.close()
        while ask("one") != 200:
            assert time.monotonic() < deadline


def test_while_the_model_is_loaded_everybody_is_told_to_come_again() -> None:
    loaded = threading.Event()
    with serving(is_loading=lambda: not loaded.is_set()) as port:
        health = get(port)
        assert health.status_code == 503 and health.headers["retry-after"] == "1"
        error = {"code": 503, "message": "Loading model", "type": "unavailable_error"}
        assert health.json()["error"].items() >= error.items()
        asked = httpx.post(f"http://127.0.0.1:{port}/infill", json=BODY)
        assert asked.status_code == 503 and asked.json()["error"]["message"].startswith("Loading model")
        said = list(check(f"127.0.0.1:{port}"))
        assert [each.state for each in said] == ["note"] and "Loading model" in said[0].what
        loaded.set()
        assert get(port).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/nothing", ("error", "message")),
        ("/v1/nothing", ("error", "message")),
        ("/v1/fim/nothing", ("message",)),
        ("/api/nothing", ("error",)),
    ],
)
def test_errors_are_where_each_dialect_has_them(port: int, path: str, where: tuple[str, ...]) -> None:
    answer = get(port, path)
    said: Any = answer.json()
    for name in where:
        said = said[name]
    assert answer.status_code == 404 and path in said and "/infill" in said


def test_who_asks_for_a_model_that_is_not_here_is_told_where_the_others_are(port: int) -> None:
    answer = get(port, "/v1/models/another")
    said = answer.json()["error"]["message"]
    assert answer.status_code == 404 and said == (
        "There is no model 'another' here. GET /v1/models lists those that there are."
    )


def test_who_uses_another_method_is_told_which_to_use(port: int) -> None:
    answer = get(port, "/infill")
    said = answer.json()["error"]
    assert answer.status_code == 405 and answer.headers["Allow"] == "POST" and said["type"] == "invalid_request_error"
    assert said["message"] == "GET has no meaning at /infill. Send POST."


def test_prompts_without_end_are_refused(port: int) -> None:
    for path in ("/completion", "/v1/completions"):
        answer = httpx.post(f"http://127.0.0.1:{port}{path}", json={"prompt": ["x"] * 2049}, timeout=60)
        assert answer.status_code == 400 and "at most 2048" in answer.json()["error"]["message"]


def closed(connection: socket.socket) -> bool:
    connection.settimeout(60)
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_who_does_not_send_a_request_to_its_end_is_hung_up_on() -> None:
    """200 that say nothing, half of a head, half of a second head, or half of a body."""
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = b"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
    with serving(head_s=0.3, body_s=0.3) as port:
        slow = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(200)]
        for index, each in enumerate(slow):
            each.sendall([b"", request[:-3], request, body][index % 4])
        for index, each in enumerate(slow):
            if index % 4 == 2:
                answer = b""
                while not answer.endswith(b'{"status":"ok"}'):
                    answer += each.recv(1000)
                each.sendall(request[:-3])
            assert closed(each)
            each.close()
        assert get(port).status_code == 200


def test_who_takes_its_time_between_bytes_and_comes_to_an_end_is_answered() -> None:
    body = json.dumps(BODY).encode()
    head = b"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with serving() as port, socket.create_connection(("127.0.0.1", port), 60) as connection:
        for part in (head[:9], head[9:], body[:5], body[5:]):
            connection.sendall(part)
            time.sleep(0.05)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"Content-Length: 99\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"])
def test_who_goes_away_in_its_body_leaves_nothing_in_the_log(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as port:
        for is_reset in (False, True):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"POST /infill HTTP/1.1\r\nHost: localhost\r\n" + sent)
                if is_reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert get(port).status_code == 200
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def findings(url: str, token: str | None = None) -> dict[str, str]:
    return {each.name: f"{each.state}: {each.what} {each.todo}" for each in check(url, token)}


def test_check_says_what_a_client_would_meet(port: int, token_port: int) -> None:
    found = findings(f"http://localhost:{port}/")
    assert {said.partition(":")[0] for said in found.values()} == {"ok"}
    assert set(found) == {"health", "token", "models", "props", "infill", "stream", "host", "origin"}
    assert "'answer'" in found["infill"] and re.search(r"\d+ events", found["stream"])
    refused = findings(f"http://127.0.0.1:{token_port}")
    assert set(refused) == {"health", "token"} and "--token-file" in refused["token"]
    assert "not taken" in findings(f"http://127.0.0.1:{token_port}", "wrong")["token"]
    assert "a wrong one is not" in findings(f"http://127.0.0.1:{token_port}", "second")["token"]


def test_check_says_that_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (found,) = check(f"http://127.0.0.1:{port}")
    assert found.state == "broken" and "does not answer" in found.what


def test_check_notes_a_server_that_answers_any_page() -> None:
    with serving(Access(has_any_name=True)) as port:
        found = findings(f"http://127.0.0.1:{port}")
    assert found["host"].startswith("note") and found["origin"].startswith("ok")


def test_check_sees_an_engine_that_fails() -> None:
    with serving(engine=FakeEngine(failures=[RuntimeError("no"), RuntimeError("no")])) as port:
        assert findings(f"http://127.0.0.1:{port}")["infill"].startswith("broken: /infill: status 500")


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://[::1"])
def test_what_is_no_address_is_not_tried(url: str) -> None:
    with pytest.raises(LocalcoderError, match="is no address of a server"):
        list(check(url))
