from __future__ import annotations

import pytest

from localcoder.errors import LocalcoderError
from localcoder.tui.text.search import Query, find_all, first_from, replaced

LINES = ["One two", "two three TWO"]


def test_small_letters_match_any_case_and_capitals_only_themselves() -> None:
    assert find_all(LINES, Query("two")) == [(0, 4, 7), (1, 0, 3), (1, 10, 13)]
    assert find_all(LINES, Query("TWO")) == [(1, 10, 13)]


def test_a_text_is_no_pattern_unless_it_is_said_to_be_one() -> None:
    assert find_all(["a.c abc"], Query("a.c")) == [(0, 0, 3)]
    assert find_all(["a.c abc"], Query("a.c", is_regex=True)) == [(0, 0, 3), (0, 4, 7)]
    assert find_all(["abc"], Query("x*", is_regex=True)) == []


def test_a_bad_pattern_is_an_error_that_can_be_shown() -> None:
    with pytest.raises(LocalcoderError, match="Not a regular expression"):
        find_all(LINES, Query("(", is_regex=True))
    with pytest.raises(LocalcoderError, match="replacement"):
        replaced("ab", (0, 0, 1), Query("a", is_regex=True), r"\3")


def test_groups_can_be_used_in_the_replacement() -> None:
    assert replaced("ab", (0, 0, 2), Query("(a)(b)", is_regex=True), r"\2\1") == "ba"


def test_the_first_match_from_a_place_goes_around_the_end() -> None:
    matches = find_all(LINES, Query("two"))
    assert first_from(matches, 0, 5) == 1
    assert first_from(matches, 1, 11) == 0
