"""`localcoder serve` as a process: what it is told on the command line, and how it ends."""

import os
import plistlib
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from localcoder.serve.service_unit import service_unit
from tests.serve.test_http import BEFORE, start

SERVE = [sys.executable, "-m", "localcoder", "serve"]


def without_token() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "LOCALCODER_TOKEN"}


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SERVE, *arguments], capture_output=True, text=True, env=env or without_token(), timeout=120)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "to kens"
    path.write_text("# Ann\nfirst\n\nsecond\n")
    path.chmod(0o600)
    return path


def test_tokens_by_file_and_environment_and_an_end_in_the_middle(token_file: Path) -> None:
    """Ctrl+C three times during a generation: no traceback, status 0."""
    process, url = start("--token-file", str(token_file), env={**os.environ, "LOCALCODER_TOKEN": "third"})
    assert process.stderr
    body = {"input_prefix": BEFORE, "n_predict": 4096, "temperature": 2.0, "mode": "free", "stream": True}
    try:
        for token, status in (("first", 200), ("second", 200), ("third", 200), ("Ann", 401), ("# Ann", 401)):
            assert httpx.get(url + "/v1/models", headers={"X-API-Key": token}, timeout=60).status_code == status
        checked = run("--check", url, "--token-file", str(token_file))
        assert checked.returncode == 0 and "a wrong one is not" in checked.stdout, checked.stdout
        assert run("--check", url).returncode == 1
        headers = {"Authorization": "bearer first"}
        with httpx.stream("POST", url + "/infill", json=body, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200 and next(answer.iter_raw())
            for _ in range(3):
                process.send_signal(signal.SIGINT)
    finally:
        process.terminate()
        said = process.stderr.read()
        process.wait(60)
        process.stderr.close()
    assert process.returncode == 0 and said == ""


def test_a_name_of_its_own(tmp_path: Path) -> None:
    """Whatever addresses it stands for."""
    try:
        name = socket.gethostname()
        socket.getaddrinfo(name, 0)
    except OSError:
        pytest.skip("this machine's name has no address")
    process, url = start("--host", name, "--token", "secret")
    try:
        assert name in url
        headers = {"Host": f"{name}:8012", "X-API-Key": "secret"}
        assert httpx.get(url + "/v1/models", headers=headers, timeout=60).status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_while_it_loads_it_says_so() -> None:
    """Its worker is stopped before it can have read the model."""
    process = subprocess.Popen([*SERVE, "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    server = psutil.Process(process.pid)
    while not (children := server.children()):
        assert process.poll() is None
    children[0].suspend()
    try:
        while not (listening := [each for each in server.net_connections() if each.status == psutil.CONN_LISTEN]):
            assert process.poll() is None
        answer = httpx.get(f"http://127.0.0.1:{listening[0].laddr.port}/health", timeout=60)
        assert answer.status_code == 503 and answer.json()["error"]["message"] == "Loading model"
        children[0].resume()
        assert " at http://" in process.stderr.readline()
        assert httpx.get(str(answer.url), timeout=60).status_code == 200
    finally:
        children[0].resume()
        process.terminate()
        said = process.stderr.read()
        process.wait(60)
        process.stderr.close()
    assert process.returncode == 0 and said == ""


def refused() -> Iterator[tuple[list[str], str]]:
    yield ["--host", "0.0.0.0"], "--token-file"
    yield ["--token-file", "/nowhere"], "a token a line"
    yield ["--host", "no such host"], "--host"
    yield ["--print-service", "--token", "x"], "--token-file"
    yield ["--check", "gopher://x"], "http://127.0.0.1:8012"


@pytest.mark.parametrize(("arguments", "todo"), refused(), ids=str)
def test_what_is_refused_says_what_to_do(arguments: list[str], todo: str) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2 and todo in answer.stderr and "Traceback" not in answer.stderr


def test_a_service_starts_what_was_given(tmp_path: Path) -> None:
    arguments = ["--port", "8013", "--token-file", "to ken", "-m", "./x.gguf", "--origin", "https://a", "--force"]
    command = [*SERVE, "--print-service", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert answer.returncode == 0 and answer.stderr
    if sys.platform == "darwin":
        words = plistlib.loads(answer.stdout.encode())["ProgramArguments"]
    else:
        (line,) = [line for line in answer.stdout.splitlines() if line.startswith("ExecStart=")]
        words = shlex.split(line.removeprefix("ExecStart="))
    given = [each for each in words if each.startswith(("-", "8", "/", "https"))]
    assert {str(tmp_path / "to ken"), str(tmp_path / "x.gguf"), "8013", "https://a", "--force"} <= set(given)
    assert "--print-service" not in words and words[words.index("serve") :][1] in ("-m", "--model")


def test_units_quote_what_their_readers_would_take_otherwise() -> None:
    unit, _ = service_unit(["--model", "a $HOME 100%"], "linux")
    assert unit.splitlines()[5].endswith('serve --model "a $$HOME 100%%"')
    agent, todo = service_unit(["--model", "a <b>"], "darwin")
    job = plistlib.loads(agent.encode())
    assert job["ProgramArguments"][-3:] == ["serve", "--model", "a <b>"] and job["RunAtLoad"] and "launchctl" in todo
