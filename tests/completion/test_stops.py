"""Where a client wants a text to end: words, indentation, time; however the text is cut into pieces."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from localcoder.completion.stops import Stop, Stopping


def fed(stop: Stop, pieces: Iterable[str]) -> tuple[str, str | None, str]:
    stopping = Stopping(stop)
    text = "".join([stopping.feed(piece) for piece in pieces])
    return text + stopping.rest(), stopping.reason, stopping.word


@given(st.text("ab\n ", max_size=30), st.lists(st.integers(0, 30)), st.lists(st.text("ab\n", max_size=3), max_size=3))
def test_a_text_ends_before_the_first_of_the_words(text: str, cuts: list[int], words: list[str]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    ends = [(text.find(word) + len(word), text.find(word)) for word in words if word and word in text]
    end, start = min(ends, default=(0, len(text)))
    found, reason, word = fed(Stop(tuple(words)), pieces)
    assert found == text[:start]
    assert reason == ("stop" if ends else None) and (not ends or word == text[start:end])


def test_what_may_be_the_beginning_of_a_word_is_held_back_and_no_more() -> None:
    stopping = Stopping(Stop(("\n\n", "END")))
    assert stopping.feed("a = 1\nE") == "a = 1\n"
    assert stopping.feed("N") == ""
    assert stopping.feed("O\n") == "ENO"
    assert stopping.feed("\nb") == "" and (stopping.reason, stopping.word) == ("stop", "\n\n")
    assert stopping.feed("more") == "" and stopping.rest() == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x\n    y\n\n    z\n  w", "x\n    y\n\n    z"),
        ("x\n    y\nw", "x\n    y"),
        ("x\n\ty", "x"),
        ("x\n    y\n   ", "x\n    y\n   "),
        ("x", "x"),
    ],
)
def test_a_text_ends_at_a_line_that_is_indented_less(text: str, shown: str) -> None:
    for pieces in ([text], list(text)):
        found, reason, _ = fed(Stop(least_indent=4), pieces)
        assert (found, reason) == (shown, None if shown == text else "indent")


def test_after_the_time_a_text_ends_with_its_line_and_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("localcoder.completion.stops.time.monotonic", lambda: now)
    stopping = Stopping(Stop(time_budget_s=0.25))
    assert stopping.feed("\n") == "\n"
    now = 100.2
    assert stopping.feed("  \n") == "  \n"
    now = 101.0
    assert stopping.feed("\n") == "\n" and stopping.reason is None, "nothing but blank lines so far"
    assert stopping.feed("return ") == "return " and stopping.reason is None
    assert stopping.feed("1\n    x") == "1\n" and stopping.reason == "time"
