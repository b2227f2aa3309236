from __future__ import annotations

import pytest

from localcoder.code.languages import by_name
from localcoder.code.partners import partner_of


def partners(text: str, language: str) -> dict[str, str]:
    """Where each bracket's partner stands: both as the text from there on."""
    found = {}
    for index in range(len(text)):
        other = partner_of(text, index, by_name(language))
        if other is not None:
            assert partner_of(text, other, by_name(language)) == index
            found[text[index : index + 3]] = text[other : other + 3]
    return found


@pytest.mark.parametrize("language", ["python", "dockerfile"])
def test_brackets_in_strings_belong_to_none_in_code(language: str) -> None:
    text = 'f(1, ")", [2])'
    assert partners(text, language) == {"(1,": ")", "[2]": "])", "])": "[2]", ")": "(1,"}


def test_brackets_in_a_comment_belong_together() -> None:
    assert partners("x = [  # 世界 (a\n]", "python") == {"[  ": "]", "]": "[  "}
    assert partners("x = 1  # 世界 (a)", "python") == {"(a)": ")", ")": "(a)"}


def test_what_is_not_closed_has_no_partner() -> None:
    assert partners("{ ( }", "plain") == {"{ (": "}", "}": "{ ("}
    assert partners(") x (", "plain") == {}
    assert partner_of("abc", 1, by_name("python")) is None
    assert partner_of("", 0, by_name("python")) is None
