"""The HTTP endpoints over a real socket, with the real engine on the bundled model."""

import asyncio
import itertools
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from localcoder.completion.scheduler import QUEUE_LIMIT
from tests.conftest import ROOT

BEFORE = '''import json


def load(path: str):
    """Read a JSON file."""
    with open(path) as file:
        data = '''
AFTER = "\n        return data\n"
LINES = [f"def function_{i}(value):\n    return value + {i}\n" for i in range(300)]


ENDLESS = [
    b"[" * 100_000,
    b'{"prompt": "x", "mode":' * 100_000,
    b'{"prompt": "x", "seed": %s}' % (b"9" * 400),
    *(b'{"prompt": "x", "first_token_budget_ms": %s}' % digits for digits in (b"-" + b"9" * 400, b"9" * 5000)),
]
"""Nesting without an end, and numbers that no float and no conversion takes."""


def start(*args: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> tuple[subprocess.Popen[str], str]:
    """`cwd`: the repository that it is started in; None: none."""
    command = [sys.executable, "-m", "localcoder", "serve", "--port", "0", *args]
    env = {**(env or os.environ), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env, cwd=cwd or tempfile.gettempdir())
    assert process.stderr
    line = process.stderr.readline()
    match = re.search(r"http://\S+", line)
    assert match, line + process.stderr.read()
    return process, match[0]


def stop(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    process.send_signal(signal.SIGINT)
    error = process.stderr.read()
    process.wait(20)
    process.stderr.close()
    return error


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process, url = start()
    yield url
    error = stop(process)
    print(error)
    assert "Traceback" not in error


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def infill(http: httpx.Client, **fields: object) -> dict[str, Any]:
    body = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 16, "temperature": 0.0, **fields}
    response = http.post("/infill", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_infill_streams_what_it_gives_whole(http: httpx.Client) -> None:
    whole = infill(http)
    body = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 16, "stream": True}
    with http.stream("POST", "/infill", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        streamed = events(response)
    assert "".join(event["content"] for event in streamed) == whole["content"] != ""
    assert [event["stop"] for event in streamed] == [False] * (len(streamed) - 1) + [True]
    timings = streamed[-1]["timings"]
    assert timings["prompt_n"] == 1 and timings["cache_n"] > 20
    assert whole["tokens_evaluated"] == timings["prompt_n"] + timings["cache_n"]


def test_prompt_is_what_was_typed_behind_the_prefix(http: httpx.Client) -> None:
    head, _, typed = BEFORE.rpartition("\n")
    assert infill(http, input_prefix=head + "\n", prompt=typed)["content"] == infill(http)["content"]


def test_a_client_that_slides_its_window_does_not_pay_for_it(http: httpx.Client) -> None:
    """As llama.vim does: the last 100 lines before the cursor, so each newline drops the first one."""
    text, suffix = "".join(LINES[:150]), "".join(LINES[200:210])
    read = []
    typed = "def added(value):\n    total = value\n    return total\n"
    for end in range(0, len(typed), 4):
        prefix = "".join((text + typed[:end]).splitlines(True)[-100:])
        answer = infill(http, input_prefix=prefix, input_suffix=suffix, n_predict=1, first_token_budget_ms=0)
        read.append(answer["timings"]["prompt_n"])
    assert max(read[1:]) <= 6


def test_the_first_answer_waits_for_a_bounded_time_only(http: httpx.Client) -> None:
    """A budget that cannot read the whole prompt: near lines first, then all of them in the background."""
    prefix = "".join(LINES[:110])
    fields = {"input_prefix": prefix, "input_suffix": "", "n_predict": 1, "first_token_budget_ms": 30}
    first = infill(http, **fields)["timings"]
    assert first["prompt_n"] + first["cache_n"] < 600
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.5)
        later = infill(http, **fields)["timings"]
        if later["cache_n"] > 800 and later["prompt_n"] < 10:
            return
    pytest.fail(f"the whole prompt was not read: {later}")


def test_n_predict_0_reads_ahead(http: httpx.Client) -> None:
    prefix = "# something new\n" + "".join(LINES[50:60])
    assert infill(http, input_prefix=prefix, n_predict=0)["content"] == ""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if infill(http, input_prefix=prefix, n_predict=1)["timings"]["prompt_n"] <= 2:
            return
        time.sleep(0.2)
    pytest.fail("the prompt was not read ahead")


def test_pieces_of_other_files_go_in_front(http: httpx.Client) -> None:
    extra = [{"filename": "shapes.py", "text": "class Square:\n    side = 2\n"}]
    without = infill(http, input_prefix="x = 1\ny = ", input_suffix="")
    with_extra = infill(http, input_prefix="x = 1\ny = ", input_suffix="", input_extra=extra)
    assert with_extra["tokens_evaluated"] > without["tokens_evaluated"] + 8


def test_openai_completions(http: httpx.Client) -> None:
    body = {"prompt": BEFORE, "suffix": AFTER, "max_tokens": 8, "temperature": 0, "logprobs": 1}
    answer = http.post("/v1/completions", json=body).json()
    assert "choices" in answer, answer
    choice = answer["choices"][0]
    assert answer["object"] == "text_completion" and answer["model"] == "nano-Q8_0"
    assert choice["text"] and choice["finish_reason"] in ("stop", "length")
    assert len(choice["logprobs"]["tokens"]) == len(choice["logprobs"]["token_logprobs"])
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
    with http.stream("POST", "/v1/completions", json={**body, "stream": True}) as response:
        streamed = events(response)
    assert "".join(event["choices"][0]["text"] for event in streamed) == choice["text"]
    several = http.post("/v1/completions", json={**body, "n": 3, "temperature": 1.0}).json()
    assert "choices" in several, several
    assert [each["index"] for each in several["choices"]] == [0, 1, 2]
    assert len({each["text"] for each in several["choices"]}) > 1
    assert several["usage"]["completion_tokens"] > answer["usage"]["completion_tokens"]


def test_more_and_longer_alternatives_than_the_cache_holds(http: httpx.Client) -> None:
    body = {"prompt": BEFORE, "suffix": AFTER, "n": 8, "max_tokens": 1000, "temperature": 1.5}
    answer = http.post("/v1/completions", json=body, timeout=300).json()
    assert [each["index"] for each in answer["choices"]] == list(range(8))
    assert all(each["finish_reason"] in ("stop", "length") for each in answer["choices"])


def test_tokenize_and_back(http: httpx.Client) -> None:
    text = "def f():\n\treturn '<fim_middle> é \U0001f600'"
    ids = http.post("/tokenize", json={"content": text}).json()["tokens"]
    assert http.post("/detokenize", json={"tokens": ids}).json()["content"] == text
    pieces = http.post("/tokenize", json={"content": "é", "with_pieces": True}).json()["tokens"]
    assert all(set(piece) == {"id", "piece"} for piece in pieces)


def test_models_props_health(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/v1/models").json()["data"][0]["id"] == "nano-Q8_0"
    assert http.get("/props").json()["sliding_window"] == 256


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/infill", b"{"),
        ("/infill", b"[]"),
        ("/infill", b'{"input_prefix": 5}'),
        ("/infill", b'{"temperature": "hot"}'),
        ("/infill", b'{"temperature": NaN}'),
        ("/infill", b'{"n_predict": 1e99}'),
        ("/infill", b'{"input_extra": "x"}'),
        ("/infill", b'{"layout": "xyz"}'),
        ("/v1/completions", b"{}"),
        ("/v1/completions", b'{"prompt": "x", "n": 1000}'),
        ("/detokenize", b'{"tokens": [99999999]}'),
        ("/tokenize", b"{}"),
        *((path, body) for path in ("/infill", "/v1/completions") for body in ENDLESS),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
def test_bad_bodies_are_named(http: httpx.Client, path: str, body: bytes) -> None:
    response = http.post(path, content=body)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_other_hosts_and_origins_and_large_bodies_are_refused(http: httpx.Client) -> None:
    assert http.get("/health", headers={"Host": "evil.example"}).status_code == 403
    assert http.post("/infill", json={}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert http.get("/health", headers={"Origin": "http://localhost:3000"}).status_code == 200
    large = b'{"input_prefix": "' + b"x" * (9 << 20) + b'"}'
    assert http.post("/infill", content=large).status_code == 413
    assert http.post("/infill", content=iter([large])).status_code == 413
    assert http.get("/nothing").status_code == 404


def test_a_client_that_hangs_up_frees_the_engine(url: str, http: httpx.Client) -> None:
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"input_prefix": "".join(LINES[:100]), "n_predict": 4096, "temperature": 2.0, "mode": "free"})
    for stream in (True, False):
        text = body if not stream else body[:-1] + ', "stream": true}'
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n\r\n"
            connection.sendall(head.encode() + text.encode())
            time.sleep(0.3)
        begun = time.monotonic()
        infill(http, n_predict=1)
        assert time.monotonic() - begun < 3


def test_a_client_that_hangs_up_in_its_body_is_no_error() -> None:
    process, url = start()
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n{")
    with httpx.Client(base_url=url, timeout=60) as client:
        assert infill(client, n_predict=1)["stop"]
    assert stop(process) == ""


def test_two_clients_take_turns(http: httpx.Client, url: str) -> None:
    def ask(i: int) -> bool:
        with httpx.Client(base_url=url, timeout=60) as client:
            return bool(infill(client, input_prefix=BEFORE + f"value_{i} + ")["stop"])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(16)))


def test_of_many_reads_ahead_the_newest_is_done_and_none_is_waited_for(http: httpx.Client, url: str) -> None:
    prefixes = ["".join(LINES[i : i + 120]).replace("function", f"name_{i}_of") for i in range(20)]

    def read(prefix: str) -> dict[str, Any]:
        with httpx.Client(base_url=url, timeout=60) as client:
            return infill(client, input_prefix=prefix, n_predict=0)

    with ThreadPoolExecutor(len(prefixes)) as pool:
        reading = []
        for prefix in prefixes:
            reading.append(pool.submit(read, prefix))
            time.sleep(0.01)
        begun = time.monotonic()
        assert infill(http, n_predict=1)["stop"]
        assert time.monotonic() - begun < 20
        assert all(each.result()["content"] == "" for each in reading)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.5)
        timings = infill(http, input_prefix=prefixes[-1], n_predict=1, first_token_budget_ms=30)["timings"]
        if timings["cache_n"] > 1000:
            return
    pytest.fail("the newest was not read ahead")


def test_beyond_loopback_a_token_is_required() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "localcoder", "serve", "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "LOCALCODER_TOKEN"},
    )
    assert refused.returncode == 2 and "--token" in refused.stderr
    process, url = start("--token", "secret")
    try:
        assert httpx.get(url + "/health").status_code == 200
        assert httpx.get(url + "/v1/models").status_code == 401
        assert httpx.get(url + "/v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx.get(url + "/v1/models", headers={"Authorization": "Bearer secret"}).status_code == 200
    finally:
        stop(process)


def test_a_client_that_does_not_read_its_stream_holds_up_nobody(http: httpx.Client, url: str) -> None:
    fields = {"input_prefix": BEFORE, "n_predict": 1000, "temperature": 2.0, "mode": "free", "stream": True}
    body = json.dumps(fields).encode()
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /infill HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket() as silent:
        # The least that the system gives: what is sent soon has no place left.
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        silent.connect((host, int(port)))
        silent.sendall(head.encode() + body)
        assert silent.recv(8) == b"HTTP/1.1"
        assert infill(http)["content"]


def test_beyond_the_queue_it_says_when_to_come_again(http: httpx.Client, url: str) -> None:
    """Alternatives do not pause: whoever comes later waits."""
    fields = {"prompt": BEFORE, "suffix": AFTER, "n": 8, "max_tokens": 4000, "temperature": 2.0, "mode": "free"}
    body = json.dumps(fields).encode()
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    beyond = 16

    async def ask_all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=QUEUE_LIMIT + beyond)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            asked = []
            for i in range(QUEUE_LIMIT + beyond):
                fields = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 1, "stream": i % 2 == 0}
                asked.append(asyncio.ensure_future(client.post("/infill", json=fields)))
            for each in itertools.islice(asyncio.as_completed(asked), beyond):
                await each
            long.close()
            return await asyncio.gather(*asked)

    infill(http)
    with socket.create_connection((host, int(port))) as long:
        long.sendall(head.encode() + body)
        time.sleep(0.3)
        answers = asyncio.run(ask_all_at_once())
    refused = [each for each in answers if each.status_code == 503]
    assert len(refused) == beyond and {each.status_code for each in answers} == {200, 503}
    assert len({each.request.read() for each in refused}) == 2, "whether streamed or not"
    for each in refused:
        assert int(each.headers["retry-after"]) >= 1
        assert "are waiting already" in each.json()["error"]["message"]


def test_what_a_body_leaves_out_is_as_in_the_settings() -> None:
    chosen = {"MAX_TOKENS": "3", "MODE": "free", "FIRST_TOKEN_S": "0.05", "TEMPERATURE": "0"}
    process, url = start(env={**os.environ, **{f"LOCALCODER_{name}": value for name, value in chosen.items()}})
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            body = {"input_prefix": BEFORE, "input_suffix": AFTER}
            assert client.post("/infill", json=body).json()["tokens_predicted"] == 3
            assert client.post("/infill", json={**body, "n_predict": 1}).json()["tokens_predicted"] == 1
            body = {"prompt": BEFORE, "suffix": AFTER}
            answers = [client.post("/v1/completions", json=body).json() for _ in range(3)]
            assert [each["usage"]["completion_tokens"] for each in answers] == [3, 3, 3]
            assert len({each["choices"][0]["text"] for each in answers}) == 1, "temperature 0"
            several = client.post("/v1/completions", json={**body, "n": 8, "max_tokens": 8}).json()
            assert len({each["text"] for each in several["choices"][1:]}) > 1
            long = {"input_prefix": "".join(LINES), "n_predict": 1}
            quick = client.post("/infill", json=long).json()["tokens_evaluated"]
            whole = client.post("/infill", json={**long, "first_token_budget_ms": 0}).json()["tokens_evaluated"]
            assert quick < whole / 2, "what can be read in 50 ms is the nearest lines"
            assert client.get("/props").json()["default_generation_settings"]["n_predict"] == 3
    finally:
        assert "Traceback" not in stop(process)


def test_of_one_client_the_newest_request_counts(http: httpx.Client, url: str) -> None:
    asked = queue.SimpleQueue[int]()

    def long() -> httpx.Response:
        asked.put(1)
        with httpx.Client(base_url=url, timeout=60) as other:
            body = {"input_prefix": "".join(LINES), "n_predict": 4000, "mode": "free", "first_token_budget_ms": 0}
            return other.post("/infill", json=body, headers={"X-Client": "vim"})

    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(long)
        asked.get(timeout=10)
        time.sleep(0.2)
        body = {"input_prefix": BEFORE, "n_predict": 1}
        assert http.post("/infill", json=body, headers={"X-Client": "code"}).status_code == 200
        assert http.post("/infill", json=body, headers={"X-Client": "vim"}).status_code == 200
        assert older.result().status_code == 409
        assert "newer request" in older.result().json()["error"]["message"]


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = subprocess.run(
            [sys.executable, "-m", "localcoder", "serve", "--port", port], capture_output=True, text=True
        )
    assert run.returncode == 2 and "Cannot listen" in run.stderr and "Traceback" not in run.stderr


def end(process: subprocess.Popen[str], *numbers: signal.Signals) -> tuple[str, float]:
    """Send the signals, all at once to the process and its worker; what it says, and how long it took."""
    assert process.stderr
    begun = time.monotonic()
    everyone = [*psutil.Process(process.pid).children(), process]
    for number, each in itertools.product(numbers, everyone):
        if number != signal.SIGINT or each is process:
            each.send_signal(number)
    said = process.stderr.read()
    process.wait(20)
    process.stderr.close()
    return said, time.monotonic() - begun


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_a_server_that_is_told_to_end_keeps_what_was_read(tmp_path: Path, numbers: list[signal.Signals]) -> None:
    """SIGTERM reaches the worker as well, as when systemd or a logout ends everything at once."""
    prefix, cache = "".join(LINES[:40]), {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    read = []
    for _ in range(2):
        process, url = start(env=cache)
        with httpx.Client(base_url=url, timeout=60) as client:
            read.append(infill(client, input_prefix=prefix, n_predict=1, first_token_budget_ms=0)["timings"])
        said, _ = end(process, *numbers)
        assert process.returncode == 0 and said == ""
    assert read[0]["prompt_n"] > 300 and read[1]["prompt_n"] <= 2


def test_a_server_that_is_told_to_end_does_not_wait_for_all_answers(tmp_path: Path) -> None:
    process, url = start(env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)})

    def ask(i: int) -> None:
        text = f"# {i}\n" + "".join(LINES[i : i + 150])
        body = {"input_prefix": text, "n_predict": 4096, "temperature": 2.0, "mode": "free", "stream": i % 2 == 0}
        with suppress(httpx.TransportError), httpx.stream("POST", url + "/infill", json=body, timeout=60) as response:
            answered.put(response.status_code)
            response.read()

    with httpx.Client(base_url=url, timeout=60) as client:
        infill(client, input_prefix="".join(LINES[:40]), first_token_budget_ms=0)
    answered: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ThreadPoolExecutor(24) as pool:
        for i in range(24):
            pool.submit(ask, i)
        assert answered.get(timeout=20) == 200
        said, seconds = end(process, signal.SIGTERM)
    assert process.returncode == 0 and said == "" and seconds < 6
    assert {path.suffix for path in (tmp_path / "localcoder" / "kv").iterdir()} == {".kv"}


def test_a_server_that_is_told_to_end_while_it_loads_ends() -> None:
    command = [sys.executable, "-m", "localcoder", "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not psutil.Process(process.pid).children():
        time.sleep(0.01)
    said, _ = end(process, signal.SIGTERM)
    assert process.returncode == 0 and said == ""


def test_what_is_asked_of_a_model_that_was_unloaded_does_not_load_it() -> None:
    process, url = start("--idle-minutes", "0.005")
    try:
        psutil.wait_procs(psutil.Process(process.pid).children(), 10)
        with httpx.Client(base_url=url, timeout=60) as client:
            assert client.get("/v1/models").json()["data"][0]["id"] == "nano-Q8_0"
            assert client.get("/props").json()["sliding_window"] == 256
            assert client.get("/health").json() == {"status": "ok"}
            assert not psutil.Process(process.pid).children()
            assert infill(client)["content"]
    finally:
        assert "Traceback" not in stop(process)
