"""`localcoder eval --from-log` on what the app noted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from localcoder.evaluate.acceptance.log import LogWriter, log_file
from localcoder.evaluate.acceptance.record import Suggestion, make_record
from tests import own_directories
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _own_log(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    own_directories.use(tmp_path_factory.mktemp("home"), monkeypatch)


def note(count: int = 40) -> None:
    said = Suggestion("app", "nano", "Q8_0", "python", "x = 1", 0.1, 0.5, 0.9, 0.8)
    writer = LogWriter()
    for number in range(count):
        taken = make_record(said, 1_700_000_000.0, "all", "x = 1", keep_text=False)
        writer.write(replace(taken, taken="none", taken_characters=0) if number % 4 else taken)
    writer.close()


def evaluate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localcoder", "eval", "--from-log", *arguments]
    environ = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, cwd=ROOT)


def test_the_table_and_json_say_what_was_taken() -> None:
    note()
    run = evaluate()
    assert run.returncode == 0, run.stderr
    rows = {line[: line.find("   ", 3)].strip(): line for line in run.stdout.splitlines()}
    for name in ("all", "nano Q8_0", "python", "0.9 to 1.0"):
        assert "25% [" in rows[name] and " 50 " in rows[name]
    found = json.loads(evaluate("--json").stdout)
    assert found["everything"]["shown"] == 40 and found["everything"]["taken"]["value"] == 0.25
    assert found["parts"]["model"][0]["name"] == "nano Q8_0"


def test_where_nothing_was_noted_it_says_how() -> None:
    run = evaluate()
    assert run.returncode == 1 and "settings set log_acceptance true" in run.stderr and not run.stdout


def test_what_has_nothing_to_do_with_the_log_is_refused() -> None:
    run = evaluate("--model", "nano")
    assert run.returncode == 2 and "--model" in run.stderr and "nothing to do with --from-log" in run.stderr


def test_a_log_that_cannot_be_read_is_said() -> None:
    log_file().mkdir(parents=True)
    run = evaluate()
    assert run.returncode == 1 and "cannot be read: Is a directory" in run.stderr and "Traceback" not in run.stderr
