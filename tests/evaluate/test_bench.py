"""What `localcoder bench` is made of: intervals, the energy counter, the trace, and programs that end with it."""

from __future__ import annotations

import asyncio
import math
import random
import re
import sys
from pathlib import Path

import psutil
import pytest

from localcoder.errors import LocalcoderError
from localcoder.evaluate.bench.child import executable, running
from localcoder.evaluate.bench.energy import EnergyMeter
from localcoder.evaluate.bench.figures import (
    COLD,
    GENERATION,
    TYPING,
    Figure,
    Machine,
    Program,
    Report,
    Results,
    Subject,
    reading,
)
from localcoder.evaluate.bench.page import page
from localcoder.evaluate.bench.trace import BURSTS, code, cut, make_trace
from localcoder.evaluate.statistics import median_interval


def test_an_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = random.Random(1)
    for count in (6, 7, 15):
        found = [median_interval([rng.expovariate(1.0) for _ in range(count)]) for _ in range(4000)]
        held = sum(each.low <= math.log(2) <= each.high for each in found) / len(found)
        assert found[0].confidence >= 0.95 and abs(held - found[0].confidence) < 0.01
        assert found[0].is_sure


def test_few_values_have_their_range_and_what_it_is_worth() -> None:
    found = median_interval([3.0, 1.0, 2.0])
    assert (found.median, found.low, found.high, found.confidence) == (2.0, 1.0, 3.0, 0.75)
    assert not found.is_sure
    assert median_interval([5.0]).confidence == 0.0


def _results(model: str, program: Program, values: dict[Figure, float]) -> Results:
    subject = Subject(model, "Q8_0", 6_000_000, 1)
    spread = {figure: tuple(value * (1 + step / 10) for step in range(-3, 4)) for figure, value in values.items()}
    return Results(subject, program, spread)


def test_the_page_draws_each_model_and_program_with_its_interval() -> None:
    machine = Machine("A <processor>", 2, 8_000_000_000, "Linux", (), False, 0.1, "0", "0")
    speeds = {reading(64): 1000.0, reading(256): 500.0, COLD: 2.0, TYPING: 0.2, GENERATION: 40.0}
    peer = {reading(64): 1500.0, GENERATION: 50.0}
    report = Report(
        machine,
        (
            _results("three & b", "localcoder", speeds),
            _results("three & b", "llama-bench", peer),
            _results("seven", "localcoder", {COLD: 8.0}),
        ),
        ("No <energy>.",),
    )
    html = page(report)
    assert html.count("<svg") == 3 and html.count("<circle") == 3 + 3 + 2
    assert "three &amp; b, 1 thread, llama-bench: 1,500 [1,050 to 1,950]" in html
    assert "three &amp; b, 1 thread, localcoder: 2.00 s [1.40 s to 2.60 s]" in html
    assert html.count("<table>") == 2 and "A &lt;processor&gt;" in html and "No &lt;energy&gt;." in html
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', html)][:3]
    assert heights[2] < heights[0] < heights[1], "faster is higher"
    assert page(Report(machine, (), ())).count("<svg") == 0, "nothing was measured"


def _zone(root: Path, zone: str, name: str, energy_uj: int) -> Path:
    folder = root / "sys/class/powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("9000000\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_packages_count_parts_do_not_and_a_counter_begins_again(tmp_path: Path) -> None:
    package = _zone(tmp_path, "intel-rapl:0", "package-0", 8_000_000)
    core = _zone(tmp_path, "intel-rapl:0:0", "core", 0)
    meter = EnergyMeter(tmp_path)
    package.write_text("8500000")
    core.write_text("400000")
    assert meter.joules() == pytest.approx(0.5)
    package.write_text("500000")
    assert meter.joules() == pytest.approx(1.5)


def test_no_counters(tmp_path: Path) -> None:
    meter = EnergyMeter(tmp_path)
    assert meter.joules() is None and "no energy counters" in meter.why_not


def test_a_trace_types_what_stands_there() -> None:
    lines = code("completion/prompt_session.py").splitlines(keepends=True)
    lengths = [len(line) // 4 + 1 for line in lines]
    trace = make_trace(lines, lengths, 200)
    assert len(trace.steps) == BURSTS and trace.tokens <= 200
    last, opened = trace.steps[-1].document, trace.opened
    assert last.prefix.startswith(opened.prefix) and last.suffix == opened.suffix
    assert "".join(lines).startswith(last.prefix)
    assert "".join(cut(last.prefix)) == last.prefix


async def test_a_child_ends_with_the_block_and_says_why_it_failed(tmp_path: Path) -> None:
    async with running([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        pid = child.pid
        assert psutil.pid_exists(pid)
    await asyncio.sleep(0.1)
    assert not psutil.pid_exists(pid)
    async with running([sys.executable, "-c", "raise SystemExit('no such model')"]) as child:
        with pytest.raises(LocalcoderError, match="no such model"):
            await child.output()
    with pytest.raises(LocalcoderError, match="is no program"):
        executable(tmp_path / "llama-bench")
