"""What became of suggestions: its records, and the file that they are in."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.confidence import confidence, first_line
from localcoder.engine.api import Token
from localcoder.evaluate.acceptance.log import Logged, LogWriter, log_file, read_log
from localcoder.evaluate.acceptance.record import Record, Suggestion, make_record, read_record
from localcoder.evaluate.acceptance.report import as_json, table
from localcoder.evaluate.acceptance.summary import summarise
from localcoder.evaluate.statistics import ratio_estimate, share_estimate
from tests.conftest import ROOT

SUGGESTION = Suggestion("app", "nano", "Q8_0", "python", "x = 1\ny = 2", 0.1, 0.5, 0.9, 0.8)
RECORD = make_record(SUGGESTION, 1_700_000_000.0, "part", "x = 1", keep_text=False)
NUMBERS = st.none() | st.floats(0, 1e6)


def write(path: Path, *records: Record, limit_bytes: int = 1 << 20) -> LogWriter:
    writer = LogWriter(path, limit_bytes=limit_bytes)
    for record in records:
        writer.write(record)
    writer.close()
    return writer


@given(st.text(), st.text(), NUMBERS, NUMBERS, st.booleans())
def test_a_record_is_read_as_it_was_written(
    text: str, name: str, first: float | None, sure: float | None, keep: bool
) -> None:
    said = replace(SUGGESTION, text=text, model=name, first_text_s=first, first_line_confidence=sure)
    record = make_record(said, 1.5, "all", text, keep_text=keep)
    line = record.as_line()
    found = read_record(line)
    assert "\n" not in line and found is not None
    near = pytest.approx(record.first_text_s, abs=1e-4)
    assert found.first_text_s == near if first is not None else found.first_text_s is None
    assert replace(found, first_text_s=None, first_line_confidence=None) == replace(
        record, first_text_s=None, first_line_confidence=None
    )
    assert keep or text == "" or found.text is None


@given(st.text() | st.integers(0, len(RECORD.as_line()) - 1).map(lambda end: RECORD.as_line()[:end]))
def test_what_is_no_record_is_none(line: str) -> None:
    assert read_record(line) is None


@pytest.mark.parametrize(
    "change",
    [
        {"taken": "most"},
        {"stands_30s": 1},
        {"characters": True},
        {"characters": "many"},
        {"confidence": "high"},
        {"at": None},
        {"lines": 1.5},
        {"confidence": float("nan")},
    ],
)
def test_a_record_of_other_kinds_of_values_is_none(change: dict[str, object]) -> None:
    assert read_record(json.dumps(json.loads(RECORD.as_line()) | change)) is None


def test_the_log_is_for_the_user_alone_and_holds_no_code() -> None:
    write(log_file(), RECORD)
    assert stat.S_IMODE(log_file().stat().st_mode) == 0o600
    assert "y = 2" not in log_file().read_text() and read_log().records == (RECORD,)
    log_file().chmod(0o644)
    write(log_file(), RECORD)
    assert stat.S_IMODE(log_file().stat().st_mode) == 0o600


def test_half_a_line_of_a_killed_program_costs_that_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, RECORD)
    with path.open("a") as file:
        file.write(RECORD.as_line()[:40])
    write(path, replace(RECORD, characters=7))
    assert [record.characters for record in read_log(path).records] == [RECORD.characters, 7]


def test_the_oldest_make_room_and_it_is_said_how_many(tmp_path: Path) -> None:
    path, limit = tmp_path / "log.jsonl", 10_000
    for start in range(0, 200, 50):
        write(path, *(replace(RECORD, characters=number) for number in range(start, start + 50)), limit_bytes=limit)
    found = read_log(path)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.jsonl")) < 2.1 * limit
    kept = [record.characters for record in found.records]
    assert kept == list(range(200 - len(kept), 200)) and found.dropped == 200 - len(kept) > 50


def test_two_programs_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    script = (
        "import sys; from pathlib import Path; from localcoder.evaluate.acceptance.log import LogWriter\n"
        "from localcoder.evaluate.acceptance.record import read_record\n"
        "record = read_record(sys.argv[2]); writer = LogWriter(Path(sys.argv[1]), limit_bytes=100_000)\n"
        "for _ in range(500): writer.write(record)\n"
        "writer.close(60); assert not (complaint := writer.complaint()), complaint\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    lines = [replace(RECORD, model=name).as_line() for name in ("one", "two")]
    running = [subprocess.Popen([*command, line], cwd=ROOT) for line in lines]
    assert [process.wait(60) for process in running] == [0, 0]
    found = read_log(path)
    assert len(found.records) + found.dropped == 1000 and {each.model for each in found.records} == {"one", "two"}


def test_a_disk_that_takes_nothing_is_said_and_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    assert write(tmp_path / "log.jsonl", RECORD).complaint().endswith(": Is a directory.")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        assert write(tmp_path / "closed" / "below" / "log.jsonl", RECORD).complaint().endswith(": Permission denied.")
    full = Path("/dev/full")
    if full.exists():
        (tmp_path / "full.jsonl").symlink_to(full)
        assert write(tmp_path / "full.jsonl", RECORD).complaint().endswith(": the disk is full.")


def records(count: int, **values: object) -> list[Record]:
    return [replace(RECORD, **values) for _ in range(count)]  # type: ignore[arg-type]


def test_what_was_taken_is_counted_by_model_language_and_confidence() -> None:
    whole = {"taken": "all", "taken_characters": 11, "stands_30s": True, "stands_5min": False}
    none = {"taken": "none", "taken_characters": 0}
    unknown = {"taken": "unknown", "taken_characters": 0, "first_line_confidence": None}
    logged = Logged(
        (
            *records(30, **whole, model="big", first_line_confidence=1.0),
            *records(10, **none, model="big", first_line_confidence=0.95),
            *records(5, language="go", first_line_confidence=0.05),
            *records(15, **none, first_line_confidence=0.0),
            *records(7, **unknown),
        ),
        dropped=3,
    )
    found = summarise(logged)
    assert found is not None and found.everything.taken is not None and found.everything.saved is not None
    assert (found.everything.shown, found.everything.unknown, found.dropped) == (60, 7, 3)
    assert found.everything.taken.value == 35 / 60 and found.everything.saved_characters == 30 * 11 + 5 * 5
    assert found.everything.saved.low < found.everything.saved.value == 355 / 60 < found.everything.saved.high
    models, languages, sure = found.parts.values()
    assert [(group.name, group.shown, group.unknown) for group in models] == [("big Q8_0", 40, 0), ("nano Q8_0", 20, 7)]
    assert [(group.name, group.shown) for group in languages] == [("python", 55), ("go", 5)]
    assert [(group.name, group.shown) for group in sure] == [("0.0 to 0.1", 20), ("0.9 to 1.0", 40), ("unknown", 0)]
    assert sure[2].taken is None and sure[0].whole is not None and sure[0].whole.value == 0
    text = table(found, 200)
    assert found.everything.stands_30s is not None and found.everything.stands_30s.count == 30
    assert (found.everything.stands_30s.value, models[0].stands_5min and models[0].stands_5min.value) == (1, 0)
    assert models[1].stands_5min is None
    assert "58% [" in text and "7 more is not known" in text and "3 older ones" in text
    assert json.loads(json.dumps(as_json(found)))["everything"]["taken"]["value"] == 35 / 60
    assert summarise(Logged(())) is None


def test_a_threshold_is_advised_that_loses_little_for_sure() -> None:
    rng = random.Random(3)

    def worked(count: int, taken_from: float) -> Logged:
        """Taken, mostly, from this confidence on."""
        found = []
        for _ in range(count):
            sure = rng.random()
            is_taken = sure > taken_from and rng.random() < 0.5
            values = {"taken": "all", "taken_characters": 11} if is_taken else {"taken": "none", "taken_characters": 0}
            found += records(1, first_line_confidence=sure, **values)
        return Logged(tuple(found))

    found = summarise(worked(800, 0.5))
    assert found is not None and found.advice.best is not None
    best = found.advice.best
    assert 0.45 <= best.least_confidence <= 0.6 and best.lost.high <= 0.05 and 0.55 < best.spared.value < 0.85
    lost = [each.lost.value for each in found.advice.thresholds]
    assert lost == sorted(lost) and len(lost) == 19
    assert f"least_confidence = {best.least_confidence:g}," in table(found, 1000)
    few = summarise(worked(20, 0.5))
    assert few is not None and few.advice.best is None and "a guess yet" in table(few, 1000)
    never = summarise(worked(300, 0.0))
    assert never is not None and never.advice.best is None and "No least_confidence is worth it" in table(never, 1000)


def test_what_was_not_shown_is_counted_by_itself() -> None:
    found = summarise(Logged((RECORD, *records(4, taken="hidden", taken_characters=0))))
    assert found is not None and (found.everything.shown, found.hidden) == (1, 4) and "4 were not shown" in table(found)
    assert summarise(Logged(tuple(records(4, taken="hidden")))) is None


def test_the_interval_of_a_share_holds_it_as_often_as_it_says() -> None:
    rng = random.Random(1)
    for share, count in ((0.02, 100), (0.3, 20), (0.9, 200)):
        found = [share_estimate(sum(rng.random() < share for _ in range(count)), count) for _ in range(2000)]
        held = sum(each is not None and each.low <= share <= each.high for each in found) / len(found)
        assert 0.93 <= held <= 0.99, (share, count, held)
    assert share_estimate(0, 0) is None
    none = share_estimate(0, 50)
    assert none is not None and none.low == none.value == 0 and 0.05 < none.high < 0.1


def test_the_interval_of_a_mean_holds_it_as_often_as_it_says() -> None:
    rng = random.Random(2)

    def draw() -> float:
        return rng.choice([0, 0, 0, 10, 40])

    found = [ratio_estimate([draw() for _ in range(100)]) for _ in range(300)]
    held = sum(each is not None and each.low <= 10 <= each.high for each in found) / len(found)
    assert 0.9 <= held <= 0.98
    assert ratio_estimate([]) is None and ratio_estimate([1.0], [0.0]) is None


def test_confidence_is_the_geometric_mean_of_what_is_shown() -> None:
    tokens = [Token(1, "\n", -1.0), Token(2, "x = 1", -3.0), Token(3, "\r\ny", -0.5), Token(4, " = 2", None)]
    assert first_line("\nx = 1\r\ny") == "\nx = 1\r" and first_line("") == "" and first_line(" a") == " a"
    assert confidence(tokens, first_line("\nx = 1\r\ny")) == pytest.approx(2.718281828**-2)
    assert confidence(tokens, "\nx = 1\ny = 2") == pytest.approx(2.718281828**-1.5)
    assert confidence(tokens, "") is None and confidence([Token(1, "x")], "x") is None
