"""`--model http://…` on the command line: a host is asked about once, and what is wrong is told in two lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from localcoder.settings import load
from tests import own_directories
from tests.engine.remote.programs import llama_server

CODE = "def add(a, b):\n    return "


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own_directories.use(tmp_path, monkeypatch)
    file = tmp_path / "code.py"
    file.write_text(CODE)
    return file


def complete(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localcoder", "complete", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_where_nobody_can_be_asked_nothing_is_sent(file: Path) -> None:
    done = complete(str(file), "--model", "http://box.invalid:8000")
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == (
        "localcoder: Code was never sent to box.invalid.\n"
        "  Allow it: localcoder settings set allowed_hosts 'box.invalid'\n"
    )


def test_the_question_is_asked_once(file: Path) -> None:
    arguments = ["-m", "localcoder", "complete", str(file), "--model", "http://box.invalid:8000"]
    for answer, follows in (("n", "never sent to box.invalid"), ("y", "cannot be reached")):
        child = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=30)
        child.expect("will be sent to box.invalid")
        child.expect("now and from now on")
        child.sendline(answer)
        child.expect(follows)
        child.expect(pexpect.EOF)
    assert load().allowed_hosts == "box.invalid"
    done = complete(str(file), "--model", "http://box.invalid:8000")
    assert done.returncode == 1 and "http://box.invalid:8000 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 2


def test_a_server_completes_and_while_it_is_away_the_stand_in_does(
    file: Path, demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALCODER_STAND_IN", str(demo_model))
    with llama_server(demo_model, file.parent) as server:
        there = complete(str(file), "--model", server.url, "--json")
        assert there.returncode == 0 and not there.stderr, there.stderr
    away = complete(str(file), "--model", server.url, "--json")
    assert away.returncode == 0
    assert "cannot be reached" in away.stderr and "answers until it is back" in away.stderr
    assert len(away.stderr.splitlines()) == 1
    one, other = json.loads(there.stdout), json.loads(away.stdout)
    assert one["prompt_ids"] == other["prompt_ids"]


def test_what_needs_a_file_says_so(file: Path) -> None:
    command = [sys.executable, "-m", "localcoder", "models", "show", "http://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "http://127.0.0.1:1 is a server." in done.stderr
