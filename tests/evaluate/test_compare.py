"""Differences between candidates, their intervals, and the sentence, on made-up results; the journal on disk."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from localcoder.engine.api import Lora
from localcoder.errors import LocalcoderError
from localcoder.evaluate import journal as journal_module
from localcoder.evaluate.candidates import Candidate, make_candidates
from localcoder.evaluate.check import Checked
from localcoder.evaluate.compare import Comparison, compare
from localcoder.evaluate.holes import Hole, cut
from localcoder.evaluate.journal import Journal, key_of
from localcoder.evaluate.measure import Result
from localcoder.evaluate.own_code import own_files
from localcoder.evaluate.page import page
from localcoder.evaluate.report import as_json, table, verdict
from localcoder.evaluate.run import Measured
from tests.conftest import ROOT

Answer = Callable[[Hole, random.Random], Result]


@pytest.fixture(scope="module")
def holes() -> list[Hole]:
    return cut(own_files(ROOT / "converters"))[:200]


def result(hole: Hole, nats: float, *, text: str | None = None, wait_s: float = 1.0, memory: int = 10**9) -> Result:
    said = hole.middle if text is None else text
    return Result(said, "end", 0.8, nats, 10, 100, 50.0, 0.1, 20.0, wait_s, memory, 2.0)


def measured(name: str, holes: list[Hole], answer: Answer) -> Measured:
    rng = random.Random(name)
    candidate = Candidate(name, Path(f"{name}.gguf"), (), "spm", 512)
    return Measured(candidate, {hole.key: answer(hole, rng) for hole in holes})


def compared(holes: list[Hole], *candidates: Measured) -> Comparison:
    found = compare(holes, candidates)
    assert found is not None
    return found


def base(hole: Hole) -> float:
    return 5 + len(hole.middle) % 17


def test_the_same_results_differ_by_nothing(holes: list[Hole]) -> None:
    one, two = (measured(name, holes, lambda hole, _: result(hole, base(hole))) for name in ("one", "two"))
    found = compared(holes, one, two)
    for own in found.compared[1].measures:
        assert own.difference == 0 and own.interval is not None
        assert (own.interval.low, own.interval.high) == (0, 0) and verdict(own) == ""
    assert "stay with one" in found.sentence
    assert all(own.difference is None for own in found.compared[0].measures)


def test_a_small_but_steady_loss_is_found_though_holes_differ_a_lot(holes: list[Hole]) -> None:
    good = measured("good", holes, lambda hole, _: result(hole, base(hole)))
    bad = measured("bad", holes, lambda hole, rng: result(hole, base(hole) + rng.gauss(0.5, 0.5)))
    found = compared(holes, good, bad)
    nats = found.compared[1].measure("nats a token")
    assert nats.interval is not None and nats.difference is not None
    assert nats.difference == pytest.approx(0.05, abs=0.02)
    assert 0 < nats.interval.low < nats.difference < nats.interval.high < 0.1 and verdict(nats) == "worse"
    assert found.sentence.startswith("Take good:")


def test_the_intervals_hold_what_they_say(holes: list[Hole]) -> None:
    """Of noise around nothing, about 95 % of the intervals have zero in them."""
    hits = 0
    for trial in range(60):
        one, two = (
            measured(f"{name} {trial}", holes, lambda hole, rng: result(hole, base(hole) + rng.gauss(0, 1)))
            for name in ("one", "two")
        )
        interval = compared(holes, one, two).compared[1].measures[0].interval
        assert interval is not None
        hits += interval.has_zero
    assert hits >= 51


def test_of_equals_the_fastest_is_taken_and_then_the_smallest(holes: list[Hole]) -> None:
    slow = measured("slow", holes, lambda hole, _: result(hole, base(hole), wait_s=2.0))
    fast = measured("fast", holes, lambda hole, _: result(hole, base(hole)))
    small = measured("small", holes, lambda hole, _: result(hole, base(hole), memory=10**8))
    assert re.match(r"Take fast: .* 2\.0 times as fast as slow", compared(holes, slow, fast).sentence)
    assert compared(holes, fast, small).sentence.startswith("Take small:")


def test_few_holes_say_nothing(holes: list[Hole]) -> None:
    one, two = (measured(name, holes[:10], lambda hole, _: result(hole, base(hole))) for name in ("one", "two"))
    found = compared(holes, one, two)
    assert found.holes == 10 and "too few" in found.sentence


def test_only_holes_that_all_had_are_compared(holes: list[Hole]) -> None:
    one = measured("one", holes, lambda hole, _: result(hole, base(hole)))
    two = measured("two", holes[:50], lambda hole, _: result(hole, base(hole)))
    none = Measured(Candidate("three", Path("x"), (), "spm", 512), {})
    broken = replace(none, candidate=replace(none.candidate, name="four"), error=LocalcoderError("It is broken."))
    found = compared(holes, one, two, none, broken)
    assert found.holes == 50 and [each.name for each in found.compared] == ["one", "two"]
    assert found.failed == {"four": "It is broken."}
    assert "four could not be measured: It is broken." in table(found)
    assert compare(holes, [none, broken]) is None


def test_models_that_cut_text_differently_are_compared_by_characters(holes: list[Hole]) -> None:
    one = measured("one", holes, lambda hole, _: result(hole, base(hole)))
    two = measured("two", holes, lambda hole, _: replace(result(hole, base(hole)), tokens=20))
    assert compared(holes, one, two).compared[0].measures[0].name == "nats a character"


def test_checks_count_where_all_have_one(holes: list[Hole]) -> None:
    one, two = (measured(name, holes, lambda hole, _: result(hole, base(hole))) for name in ("one", "two"))
    checks = {("one", hole.key): Checked(True, 0) for hole in holes[:40]}
    checks |= {("two", hole.key): Checked(number % 2 == 0, 3) for number, hole in enumerate(holes[:40])}
    found = compare(holes, [one, two], checks, "The check passes.")
    assert found is not None and found.holes == 40
    assert [each.measure("passes the check").value for each in found.compared] == [1.0, 0.5]
    assert found.compared[1].measure("new complaints").value == 3
    assert "The check passes." in table(found, 10_000)


def test_the_curve_saves_less_the_surer_it_has_to_be(holes: list[Hole]) -> None:
    def answer(hole: Hole, rng: random.Random) -> Result:
        sure = rng.random()
        return replace(result(hole, 1.0, text=hole.middle if sure > rng.random() else "~"), confidence=sure)

    curve = compared(holes, measured("one", holes, answer)).compared[0].curve
    assert curve[0].shown == 1
    assert all(one.saved >= two.saved and one.shown >= two.shown for one, two in itertools.pairwise(curve))
    assert curve[15].right > curve[0].right


def test_the_reports_say_the_same_and_hold_what_models_wrote_as_text(holes: list[Hole]) -> None:
    one = measured("one", holes, lambda hole, _: result(hole, base(hole), text="<script>alert(1)</script>"))
    two = measured("two & co", holes, lambda hole, _: result(hole, base(hole)))
    found = compared(holes, one, two)
    html = page(found, "A <title>")
    assert "<script" not in html and "A &lt;title&gt;" in html and "two &amp; co" in html
    assert html.count("<svg") == 5 and "http" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert html.count("<details>") == 40, "ten best and ten worst of each"
    data = json.loads(json.dumps(as_json(found)))
    assert data["candidates"][1]["measures"]["whole right"]["value"] == 1
    assert len(data["candidates"][0]["cases"]) == len(holes)
    assert "100.0%" in table(found) and found.sentence in " ".join(table(found, 10_000).split("\n"))
    assert max(map(len, table(found, 80).splitlines())) <= 84


def test_candidates_are_named_by_what_differs(tmp_path: Path) -> None:
    models = [tmp_path / "a.gguf", tmp_path / "b.gguf"]
    assert [each.name for each in make_candidates(models, [], ["spm"], [512])] == ["a", "b"]
    found = make_candidates(models[:1], [Lora("style.gguf", 0.5)], ["spm", "psm"], [256, 512])
    assert found[0].name == "a spm 256 tokens" and found[-1].name == "a +style:0.5 psm 512 tokens"
    assert len(found) == len({each.name for each in found}) == 8
    with pytest.raises(LocalcoderError, match="twice"):
        make_candidates([models[0]] * 2, [], ["spm"], [512])
    with pytest.raises(LocalcoderError, match="cannot be read"):
        _ = found[0].identity


def test_a_candidates_identity_changes_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"1")
    (candidate,) = make_candidates([tmp_path / "a.gguf"], [], ["spm"], [512])
    before = candidate.identity
    (tmp_path / "a.gguf").write_bytes(b"22")
    assert candidate.identity != before


def test_a_journal_keeps_what_was_put_and_passes_over_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    first = Journal(path)
    first.put("one", {"value": 1})
    assert path.stat().st_mode & 0o077 == 0
    with path.open("ab") as file:
        file.write(b'["two", {"val')
    second = Journal(path)
    assert second.get("one") == {"value": 1} and second.get("two") is None
    second.put("three", {"value": 3})
    third = Journal(path)
    assert (third.get("one"), third.get("three")) == ({"value": 1}, {"value": 3})
    assert Journal(path, fresh=True).get("one") is None and not path.exists()


def test_a_full_disk_does_not_end_the_run() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    full = Journal(Path("/dev/full"))
    assert full.trouble == ""
    full.put("one", {"value": 1})
    assert full.get("one") == {"value": 1} and "full" in full.trouble


def test_keys_depend_on_the_program(monkeypatch: pytest.MonkeyPatch, holes: list[Hole]) -> None:
    one = key_of("result", holes[0].key, asdict(result(holes[0], 1.0)))
    assert one == key_of("result", holes[0].key, asdict(result(holes[0], 1.0)))
    assert one != key_of("result", holes[1].key, asdict(result(holes[0], 1.0)))
    monkeypatch.setattr(journal_module, "_program", lambda: "another version")
    assert one != key_of("result", holes[0].key, asdict(result(holes[0], 1.0)))
