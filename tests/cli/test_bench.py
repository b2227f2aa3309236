"""`localcoder bench` as a script calls it, on the bundled model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from localcoder.evaluate.bench.figures import shown

SHORT = ["--threads", "1", "--rounds", "1", "--length", "16", "--time", "20s"]


def localcoder(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localcoder", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_one_json_document_with_every_figure_and_a_page_that_says_the_same(tmp_path: Path) -> None:
    html = tmp_path / "bench.html"
    run = localcoder("-m", "nano", "bench", *SHORT, "--json", "--html", html)
    assert run.returncode == 0, run.stderr
    assert "This takes about" in run.stderr
    (result,) = json.loads(run.stdout)["results"]
    figures = {(each["name"], each["prompt_tokens"]): each for each in result["figures"]}
    names = {name for name, _ in figures}
    assert {"load", "first token, cold", "first token, typing", "generation", "generation, drafts"} <= names
    assert ("reading", 16) in figures and (result["threads"], result["type_name"]) == (1, "Q8_0")
    assert all(each["low"] <= each["median"] <= each["high"] and len(each["values"]) == 1 for each in figures.values())
    peak, resident = figures["memory, peak", None]["median"], figures["memory, resident", None]["median"]
    assert peak >= resident > result["size_bytes"]
    page = html.read_text(encoding="utf-8")
    assert page.count("<svg") == 3 and page.count("<circle") == 5
    for name in ("first token, cold", "first token, typing", "generation", "generation, drafts"):
        each = figures[name, None]
        assert f": {shown(each['median'], each['unit'])} [" in page, "a plot has it"
        assert f"<td>{shown(each['median'], each['unit'])} [" in page, "the table has it"


def test_a_page_that_cannot_be_written_does_not_cost_the_table(tmp_path: Path) -> None:
    run = localcoder("-m", "nano", "bench", *SHORT, "--html", tmp_path / "none" / "bench.html")
    assert run.returncode == 1 and "first token, cold" in run.stdout
    assert "bench.html cannot be written" in run.stderr and "Traceback" not in run.stderr


def test_an_interruption_shows_what_there_is_and_leaves_no_process() -> None:
    command = [sys.executable, "-m", "localcoder", "bench", "--threads", "1", "--rounds", "50", "--length", "16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr and "This takes about" in process.stderr.readline()
    time.sleep(4)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=20)
    assert process.returncode == 130 and "first token, cold" in output
    assert "Interrupted" in error and "Traceback" not in error
    assert children and not any(child.is_running() for child in children)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-m", "nosuch"], "no model named"),
        (["--threads", "1024"], "1024 threads"),
        (["--time", "soon"], "is no time"),
        (["--llama-bench", "nowhere"], "is no program"),
        (["--length", "4096"], "no --length is as short"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], says: str) -> None:
    run = localcoder("bench", *arguments)
    assert run.returncode == 2 and says in run.stderr and "Traceback" not in run.stderr and not run.stdout


def test_llama_cpps_programs_in_turns() -> None:
    folder = Path(os.environ.get("LOCALCODER_LLAMA_BIN", ""))
    if "LOCALCODER_LLAMA_BIN" not in os.environ:
        pytest.skip("needs LOCALCODER_LLAMA_BIN, a folder with llama-bench and llama-server")
    run = localcoder(
        "bench", *SHORT, "--json", "--llama-bench", folder / "llama-bench", "--llama-server", folder / "llama-server"
    )
    assert run.returncode == 0, run.stderr
    found = {each["program"]: {f["name"] for f in each["figures"]} for each in json.loads(run.stdout)["results"]}
    assert set(found) == {"localcoder", "llama-server", "llama-bench"}
    assert all({"reading", "generation", "memory, peak"} <= names for names in found.values())
    assert "first token, typing" in found["llama-server"]
