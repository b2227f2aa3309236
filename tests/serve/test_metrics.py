"""`/metrics`, as Prometheus reads it."""

from __future__ import annotations

import re
import time

import httpx

from tests.serve.test_http import AFTER, BEFORE

LINE = re.compile(r'([a-z_]+)(?:\{path="([^"]*)"\})? ([0-9.e+-]+)')


def read(client: httpx.Client) -> dict[tuple[str, str], float]:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in response.text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found[match[1], match[2] or ""] = float(match[3])
    names = {name for name, _ in found}
    assert names <= set(re.findall(r"^# TYPE (\w+) (?:counter|gauge)$", response.text, re.MULTILINE))
    return found


def test_what_was_asked_and_what_it_cost_is_counted(client: httpx.Client) -> None:
    body = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 4}
    client.post("/infill", json=body)
    before = read(client)
    timings = client.post("/infill", json=body).json()["timings"]
    after = read(client)

    def grown(name: str, path: str = "") -> float:
        return after[f"localcoder_{name}", path] - before[f"localcoder_{name}", path]

    assert grown("requests_total", "/infill") == 1
    assert grown("prompt_tokens_read_total") == timings["prompt_n"]
    assert grown("prompt_tokens_reused_total") == timings["cache_n"] > 0
    assert grown("tokens_generated_total") == timings["predicted_n"]
    assert grown("prompt_seconds_total") > 0 and grown("generation_seconds_total") > 0
    assert after["localcoder_requests_running", ""] == after["localcoder_requests_waiting", ""] == 0


def test_what_came_to_no_end_is_counted_too(client: httpx.Client) -> None:
    body = {"input_prefix": BEFORE, "n_predict": 4000, "mode": "free", "temperature": 2.0, "stream": True}
    with client.stream("POST", "/infill", json=body) as response:
        next(response.iter_lines())
    deadline = time.monotonic() + 60
    while not read(client).get(("localcoder_requests_failed_total", "/infill")):
        assert time.monotonic() < deadline, "nobody listens any more"
        time.sleep(0.05)
