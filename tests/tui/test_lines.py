from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.tui.text.display import drawable
from localcoder.tui.text.lines import LineDocument, has_mixed_newlines, newline_of

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
