"""The time that is left, on a clock of its own: what each kind of work costs, seen and unseen, fast and slow."""

from __future__ import annotations

import pytest

from converters.time_left import TimeLeft


def work(left: TimeLeft, now: float, kind: str, values: int, cost: float, threads: int = 2) -> float:
    """Handle values in blocks of 1000 on some threads; returns the time afterwards."""
    for _ in range(values // 1000):
        left.add(kind, 1000, 1000 * cost)
        now += 1000 * cost / threads
        left.left_s(now)
    return now


def test_nothing_is_said_before_anything_was_done() -> None:
    left = TimeLeft({"Q4_K": 1000}, {"Q4_K": 1e-3})
    assert left.left_s(0.0) is None
    assert left.left_s(5.0) is None


def test_kinds_of_different_cost() -> None:
    """The first half of the values is of a kind that takes a fifth of the time of the second's."""
    left = TimeLeft({"Q8_0": 100_000, "Q4_K": 100_000}, {})
    now = work(left, 0.0, "Q8_0", 90_000, 1e-4)
    now = work(left, now, "Q4_K", 1_000, 5e-4)
    assert left.left_s(now) == pytest.approx((10_000 * 1e-4 + 99_000 * 5e-4) / 2, rel=0.01)


def test_a_kind_that_did_not_come_yet_costs_what_was_tried() -> None:
    """The trial saw only how the kinds compare: here everything takes three times as long."""
    left = TimeLeft({"Q8_0": 100_000, "Q4_K": 100_000}, {"Q8_0": 1e-4, "Q4_K": 5e-4})
    now = work(left, 0.0, "Q8_0", 50_000, 3e-4)
    assert left.left_s(now) == pytest.approx((50_000 * 3e-4 + 100_000 * 15e-4) / 2, rel=0.01)


def test_a_machine_that_slows_down() -> None:
    left = TimeLeft({"Q4_K": 3_000_000}, {})
    now = work(left, 0.0, "Q4_K", 1_000_000, 2e-4)
    now = work(left, now, "Q4_K", 1_000_000, 4e-4)
    assert left.left_s(now) == pytest.approx(200, rel=0.02)


def test_it_ends_at_nothing() -> None:
    left = TimeLeft({"Q4_K": 10_000, "read F32": 10_000}, {"Q4_K": 1e-4})
    now = work(left, 0.0, "Q4_K", 10_000, 1e-4)
    now = work(left, now, "read F32", 10_000, 1e-6)
    assert left.left_s(now) == pytest.approx(0.0)
