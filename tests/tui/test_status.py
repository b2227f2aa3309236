from __future__ import annotations

from localcoder.engine.api import ReadProgress, Stats
from localcoder.tui.pacing import Pause
from localcoder.tui.status import Status, bar, describe, remaining_s


def test_the_pause_follows_the_measured_latency() -> None:
    pause = Pause()
    first = pause.seconds
    for _ in range(20):
        pause.measured(0.05)
    fast = pause.seconds
    for _ in range(20):
        pause.measured(10.0)
    assert fast < first < pause.seconds <= 1.5


def test_reading_says_how_far_and_how_long() -> None:
    progress = ReadProgress(300, 500, 100, 4.0)
    assert remaining_s(progress) == 4.0
    assert describe(Status("reading", progress)) == "reading ██████···· 300/500 · 4.0 s left"
    assert remaining_s(ReadProgress(100, 500, 100, 0.0)) is None


def test_the_end_says_what_was_reused() -> None:
    stats = Stats(30, 270, 12, 0.25, 9.6, 2.0)
    assert describe(Status("done", stats=stats)) == "10 tok/s · first 250 ms · reused 270 of 300"
    assert describe(Status("done", stats=stats, reason="2 of 3")).startswith("2 of 3 · ")


def test_the_bar_moves_by_eighths() -> None:
    assert bar(0, 4) == "····"
    assert bar(1, 4) == "████"
    assert bar(0.5, 4) == "██··"
    assert bar(0.53125, 4) == "██▏·"
