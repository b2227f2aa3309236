from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.tui.text.display import drawable
from localcoder.tui.text.lines import LineDocument, difference, has_mixed_newlines, newline_of, row_after

_TEXTS = st.text(st.sampled_from("ab\n\r\t\f\x1c\x85\u2028界"), max_size=40)


@given(_TEXTS)
def test_a_text_comes_back_byte_for_byte(text: str) -> None:
    assert LineDocument(text).text == text


@given(_TEXTS, st.data())
def test_an_edit_changes_what_it_says_and_is_undone_exactly(text: str, data: st.DataObject) -> None:
    document = LineDocument(text)
    indices = st.integers(0, len(text))
    start, end = sorted((data.draw(indices), data.draw(indices)))
    first, last = document.location_of(start), document.location_of(end)
    # A place in the middle of a newline is not one that a cursor can be at.
    start, end = document.index_of(first), document.index_of(last)
    inserted = document.normalised(data.draw(_TEXTS))
    before = document.text
    result = document.replace_range(first, last, inserted)
    assert document.text == text[:start] + inserted + text[end:]
    document.replace_range(first, result.end_location, result.replaced_text)
    assert document.text == before


@pytest.mark.parametrize(
    ("text", "newline", "mixed"),
    [
        ("", "\n", False),
        ("a\nb", "\n", False),
        ("a\r\nb\r\n", "\r\n", False),
        ("a\rb\r", "\r", False),
        ("a\r\nb\n", "\n", True),
    ],
)
def test_the_newline_of_a_text(text: str, newline: str, mixed: bool) -> None:
    assert newline_of(text) == newline
    assert has_mixed_newlines(text) == mixed


def test_the_last_line_can_be_deleted() -> None:
    document = LineDocument("a\nb")
    document.replace_range((1, 0), (2, 0), "")
    assert document.text == "a\n"


def test_the_width_follows_edits() -> None:
    document = LineDocument("short\n" + "x" * 50)
    assert document.get_size(4).width == 50
    document.replace_range((1, 0), (1, 49), "")
    assert document.get_size(4).width == 5


def test_undrawable_characters_become_one_visible_cell_each() -> None:
    assert drawable("a\x1b[31mb\u202e\tc") == "a␛[31mb�\tc"


@given(_TEXTS, _TEXTS)
def test_a_difference_makes_one_text_of_the_other(before: str, after: str) -> None:
    start, end, text = difference(before, after)
    assert before[:start] + text + before[end:] == after
    assert before[start - 1 : start + 1] != "\r\n" or start == 0
    assert before[end - 1 : end + 1] != "\r\n" or end == 0


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("abc", "abc", (3, 3, "")),
        ("ab", "aab", (1, 1, "a")),
        ("one\ntwo\n", "one\nmore\ntwo\n", (4, 4, "more\n")),
        ("a\r\nb", "a\nb", (1, 3, "\n")),
    ],
)
def test_a_difference_is_small(before: str, after: str, change: tuple[int, int, str]) -> None:
    assert difference(before, after) == change


def test_a_line_is_found_again_between_changes() -> None:
    before = list("abcdefgh")
    assert [row_after(before, list("xxabcYefgh"), row) for row in range(8)] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert [row_after(before, list("bch"), row) for row in range(8)] == [0, 0, 1, 2, 2, 2, 2, 2]
    assert row_after(["a"], [""], 0) == 0
