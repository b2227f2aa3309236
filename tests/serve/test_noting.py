"""What `serve` notes of a client's suggestions, over a real socket with the bundled model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from localcoder.evaluate.acceptance.log import read_log
from tests.serve.test_http import start, stop

BEFORE = '''import json


def load(path: str):
    """Read a JSON file."""
    with open(path) as file:
        data = '''
AFTER = "\n        return data\n"


@contextmanager
def serving(state: Path, **environment: str) -> Iterator[tuple[httpx.Client, list[str]]]:
    """A client, and what the server said on standard error once it has ended."""
    said: list[str] = []
    environ = {**os.environ, "XDG_STATE_HOME": str(state), **environment}
    process, url = start("--threads", "1", env=environ)
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            yield client, said
    finally:
        said.append(stop(process))


def infill(client: httpx.Client, before: str, after: str = AFTER) -> str:
    body = {"input_prefix": before, "input_suffix": after, "n_predict": 12, "mode": "line"}
    content: str = client.post("/infill", json=body).raise_for_status().json()["content"]
    return content


def log(state: Path) -> Path:
    return state / "localcoder" / "acceptance.jsonl"


def test_what_is_taken_is_seen_in_the_next_text(tmp_path: Path) -> None:
    with serving(tmp_path, LOCALCODER_LOG_ACCEPTANCE="true") as (client, said):
        first = infill(client, BEFORE)
        assert first.strip()
        # llama.vim asks ahead, for what would come if it were taken; then it is.
        infill(client, BEFORE + first)
        taken = BEFORE + first + "\n        print(data)\n        other = "
        second = infill(client, taken)
        infill(client, taken + "qqq_z")
    records = sorted(read_log(log(tmp_path)).records, key=lambda record: record.at)
    outcomes = [(record.taken, record.taken_characters) for record in records if record.taken != "unknown"]
    assert outcomes[0] == ("all", len(first)) and ("none", 0) in outcomes[1:]
    assert records[0].face == "serve" and records[0].language == "python" and records[0].quantization == "Q8_0"
    assert len(second) in [record.characters for record in records]
    for record in records:
        assert record.confidence is not None and 0 < record.confidence <= 1
        assert record.first_text_s is not None and record.whole_s is not None and record.first_text_s <= record.whole_s
    assert first.strip() not in log(tmp_path).read_text() and log(tmp_path).stat().st_mode & 0o777 == 0o600
    assert "Traceback" not in said[0]


def test_the_answers_are_the_same_as_without(tmp_path: Path) -> None:
    body = {"prompt": BEFORE, "suffix": AFTER, "max_tokens": 8}
    with serving(tmp_path, LOCALCODER_LOG_ACCEPTANCE="true") as (client, _):
        noted = client.post("/v1/completions", json=body).json()["choices"]
        asked = client.post("/v1/completions", json={**body, "logprobs": 1}).json()["choices"]
    assert noted[0]["logprobs"] is None and asked[0]["logprobs"]["token_logprobs"]
    with serving(tmp_path) as (client, _):
        assert client.post("/v1/completions", json=body).json()["choices"] == noted


def test_nothing_is_noted_unless_it_is_wanted(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        infill(client, BEFORE)
    assert not log(tmp_path).exists()


def test_a_log_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    log(tmp_path).mkdir(parents=True)
    with serving(tmp_path, LOCALCODER_LOG_ACCEPTANCE="true") as (client, said):
        for name in ("one", "two", "three", "four"):
            infill(client, f"{BEFORE}qqq_{name}(")
    assert said[0].count("cannot be noted: Is a directory") == 1 and "Traceback" not in said[0]
