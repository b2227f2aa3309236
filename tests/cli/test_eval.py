"""`localcoder eval` as it is typed: a real process, the bundled model, a repository of some of this project's files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from localcoder import paths
from tests.conftest import ROOT
from tests.evaluate.suite_files import HUMAN_EVAL, SAFIM, write
from tests.evaluate.test_check import isolated

FILES = (
    "localcoder/code/brackets.py",
    "localcoder/code/walk.py",
    "localcoder/code/languages.py",
    "localcoder/errors.py",
)
QUICK = ("--tokens", "200", "--context", "off", "--threads", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(autouse=True)
def _own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "localcoder", "eval", *map(str, arguments)]


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, env=environ, cwd=ROOT)


def found(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    parsed: dict[str, Any] = json.loads(run.stdout)
    return parsed


def test_one_model(repository: Path) -> None:
    run = evaluate(repository, *QUICK, "--holes", 10)
    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith("10 holes in "), "what is going to be done is said in advance"
    for label in (
        "nats a token",
        "whole right",
        "edit similarity",
        "parses",
        "ended by itself",
        "memory",
        "function body",
    ):
        assert label in run.stdout
    assert "nano-Q8_0 says what stood there in" in " ".join(run.stdout.split())


def test_two_candidates_have_the_same_holes(repository: Path, tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    run = evaluate(repository, *QUICK, "--holes", 10, "--layout", "spm", "--layout", "psm", "--json", "--html", html)
    first, second = found(run)["candidates"]
    assert (first["name"], second["name"]) == ("nano-Q8_0 spm", "nano-Q8_0 psm")
    places = [[(case["file"], case["line"], case["truth"]) for case in each["cases"]] for each in (first, second)]
    assert places[0] == places[1] and len(places[0]) == 10
    assert {case["kind"] for case in first["cases"]} == {"rest", "line", "block", "function", "call"}
    nats = second["measures"]["nats a token"]
    assert nats["interval"][0] < nats["difference"] < nats["interval"][1]
    assert nats["difference"] == pytest.approx(nats["value"] - first["measures"]["nats a token"]["value"])
    assert html.read_text(encoding="utf-8").count("<svg") == 5


def test_the_reference_itself_is_no_distance_away(repository: Path) -> None:
    arguments = (repository, *QUICK, "--holes", 5, "--reference", "nano", "--json")
    (only,) = found(evaluate(*arguments))["candidates"]
    assert only["measures"]["KL divergence"]["value"] < 0.01
    assert only["measures"]["same likeliest token"]["value"] > 0.95


def test_it_is_quick_the_second_time_and_asks_again_when_told_to(repository: Path) -> None:
    def elapsed(*more: str) -> list[float]:
        (only,) = found(evaluate(repository, *QUICK, "--holes", 5, "--json", *more))["candidates"]
        return [case["elapsed_s"] for case in only["cases"]]

    first = elapsed()
    assert elapsed() == first
    assert elapsed("--fresh") != first


def test_what_was_measured_is_shown_after_an_interruption_and_kept(repository: Path, tmp_path: Path) -> None:
    arguments = (repository, *QUICK, "--holes", 80, "--json")
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (journals := [*(tmp_path / "cache").rglob("*.jsonl")]) or journals[0].read_text().count("\n") < 15:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130 and error.endswith("localcoder: Interrupted.\n  The same command goes on.\n"), (
        error
    )
    partial = json.loads(out)
    assert 5 <= partial["holes"] < 80
    lines = journals[0].read_text().splitlines()
    whole = found(evaluate(*arguments))
    assert whole["holes"] > partial["holes"]
    assert journals[0].read_text().splitlines()[: len(lines)] == lines
    before = {
        (case["file"], case["line"], case["kind"]): case["elapsed_s"] for case in partial["candidates"][0]["cases"]
    }
    after = {(case["file"], case["line"], case["kind"]): case["elapsed_s"] for case in whole["candidates"][0]["cases"]}
    assert all(after[key] == seconds for key, seconds in before.items())


def test_as_many_holes_as_fit_the_time(repository: Path) -> None:
    begun = time.monotonic()
    some = found(evaluate(repository, *QUICK, "--time", "0.1", "--json"))["holes"]
    assert time.monotonic() - begun < 30
    more = found(evaluate(repository, *QUICK, "--time", "0.2", "--json"))["holes"]
    assert 5 <= some < more


def test_a_candidate_that_does_not_load_does_not_end_the_others(repository: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(paths.bundled_model().read_bytes()[:-100_000])
    run = evaluate(repository, *QUICK, "--holes", 5, "-m", "nano", "-m", broken)
    assert run.returncode == 0 and "broken could not be measured:" in run.stdout
    alone = evaluate(repository, *QUICK, "--holes", 5, "-m", broken)
    assert alone.returncode != 0 and "Traceback" not in alone.stderr


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_a_check_judges_what_was_suggested(repository: Path) -> None:
    # Not a virtual environment's: that may lie below /tmp, which a sandbox does not see.
    check = f"{os.path.realpath(sys.executable)} -m py_compile *.py"
    run = evaluate(repository, *QUICK, "--holes", 10, "--check", check, "--json")
    if "sandbox does not work" in run.stderr:
        pytest.skip(run.stderr)
    report = found(run)
    (only,) = report["candidates"]
    assert report["check"].startswith("The check passes with the code as it is")
    for case in only["cases"]:
        assert case["check"]["passed"] or case["check"]["complaints"]
    assert {path.name for path in repository.iterdir()} == {Path(name).name for name in FILES}
    assert 0 < only["measures"]["passes the check"]["value"] <= 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "no folder nowhere"),
        (["{empty}"], "no code"),
        (["{app}", "--since", "2100-01-01"], "newer than 2100-01-01"),
        (["{app}", "-m", "nosuch"], "no model named"),
        (["{app}", "-m", "nano", "-m", "nano"], "twice"),
        (["{app}", "--lora", "none.gguf"], "none.gguf"),
        (["{app}", "--reference", "nosuch"], "no model named"),
        (["{app}", "--kind", "page"], "page"),
        (["{app}", "--time", "nan"], "nan"),
        (["{app}", "--since", "yesterday"], "yesterday"),
    ],
)
def test_bad_input(repository: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    given = [each.format(app=repository, empty=tmp_path / "empty") for each in arguments]
    run = evaluate(*given, *QUICK, "--holes", 5)
    assert run.returncode == 2, run.stderr
    assert says in run.stderr and "Traceback" not in run.stderr and run.stdout == ""


def test_a_check_without_a_sandbox_is_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    environ = {**os.environ, "PATH": str(tmp_path / "bin")}
    arguments = command(repository, *QUICK, "--holes", 5, "--check", "true")
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environ, cwd=ROOT)
    assert run.returncode == 1 and "no sandbox" in run.stderr and "--unsafe" in run.stderr


def suite(path: Path, tasks: Sequence[dict[str, Any]] = HUMAN_EVAL) -> Path:
    isolated()
    return write(path, tasks)


def test_a_suite_is_scored_its_own_way_and_as_shown(tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    arguments = ("--suite", suite(tmp_path / "tasks.jsonl.gz"), *QUICK, "--holes", 5, "--json", "--html", html)
    run = evaluate(*arguments, "--layout", "spm", "--layout", "psm")
    report = found(run)
    assert "Scored: a program passes that ends without an exception within 3 s." in run.stderr
    assert "5 holes in 3 problems for each of 2" in run.stderr
    assert report["suite"]["name"] == "HumanEval-Infilling" and report["check"] == ""
    for own in report["candidates"]:
        cases = own["cases"]
        assert len(cases) == 5 and {case["names_elsewhere"] for case in cases} == {None}
        for case in cases:
            assert (
                case["score"]["theirs"]["text"] == case["raw_text"] and case["score"]["shown"]["text"] == case["text"]
            )
        for measure, text in (("their truncation", "theirs"), ("as shown", "shown")):
            passing = [case["score"][text]["passes"] for case in cases]
            assert set(passing) <= {True, False}
            assert own["measures"][f"pass@1, {measure}"]["value"] == pytest.approx(sum(passing) / 5)
    spm = report["candidates"][0]["cases"]
    (free,) = [case for case in spm if case["truth"] == "The smallest "]
    assert free["score"]["theirs"]["passes"] == ('"""' not in free["raw_text"] and "\\" not in free["raw_text"])
    (silent,) = [case for case in spm if case["truth"] == ""]
    assert silent["tokens"] == 0 and silent["score"]["shown"]["passes"] == (silent["text"].strip() == "")
    assert "tasks of HumanEval-Infilling with their truncation" in report["sentence"]
    assert "Their truncation (" in html.read_text(encoding="utf-8")
    again = found(evaluate(*arguments, "--layout", "spm", "--layout", "psm"))
    assert again == report, "all of it is in the journal"


def test_a_suite_says_what_is_not_scored(tmp_path: Path) -> None:
    run = evaluate("--suite", suite(tmp_path / "tasks.jsonl", SAFIM), *QUICK, "--holes", 4)
    assert run.returncode == 0, run.stderr
    text = " ".join(run.stdout.split())
    assert "Not scored, as only Python is run here: tasks 1 in Java" in text
    assert "API call (1)" in text and "Java (1) not scored" in text
    assert "% of 3 tasks of SAFIM with their truncation, and" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--suite", "{tmp}/none.jsonl"], "none.jsonl cannot be read"),
        (["--suite", "{tmp}/bad.jsonl"], "bad.jsonl, line 2: it is not JSON"),
        (["{tmp}", "--suite", "{tmp}/bad.jsonl"], "PATH does not go with --suite"),
        (["--suite", "{tmp}/bad.jsonl", "--check", "true"], "--check does not go with --suite"),
        (["--suite", "{tmp}/bad.jsonl", "--kind", "line"], "--kind does not go with --suite"),
        (["--suite", "{tmp}/bad.jsonl", "--raw"], "--raw does not go with --suite"),
    ],
)
def test_bad_suites(tmp_path: Path, arguments: list[str], says: str) -> None:
    (write(tmp_path / "bad.jsonl", HUMAN_EVAL[:1])).open("a").write("{")
    run = evaluate(*[each.format(tmp=tmp_path) for each in arguments])
    assert run.returncode == 2, run.stderr
    assert says in run.stderr and "Traceback" not in run.stderr and run.stdout == ""


def test_a_suite_without_a_sandbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    environ = {**os.environ, "PATH": str(tmp_path / "bin")}
    arguments = command("--suite", write(tmp_path / "tasks.jsonl", HUMAN_EVAL), *QUICK)
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environ, cwd=ROOT)
    assert run.returncode == 1 and "no sandbox" in run.stderr and "--unsafe" in run.stderr
