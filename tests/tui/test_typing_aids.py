from __future__ import annotations

import pytest

from localcoder.code.languages import PLAIN, Language, by_name
from localcoder.tui.text.typing_aids import Typed, character, indent_unit, is_empty_pair, new_line, toggle_comment

PYTHON, C, HTML, RUBY, JSON, RUST, GO, YAML, SHELL = map(
    by_name, ("python", "c", "html", "ruby", "json", "rust", "go", "yaml", "shell")
)


@pytest.mark.parametrize(
    ("before", "after", "language", "typed"),
    [
        ("    x = 1", "", PYTHON, Typed("\n    ")),
        ("def f():", "", PYTHON, Typed("\n    ")),
        ("if x:  # why", "", PYTHON, Typed("\n    ")),
        ("        return x", "", PYTHON, Typed("\n    ")),
        ("f(", ")", PYTHON, Typed("\n    \n", back=1)),
        ("  g({", "})", C, Typed("\n      \n  ", back=3)),
        ("int main() {", "", C, Typed("\n    ")),
        ("def call", "", RUBY, Typed("\n    ")),
        ("items.each do |item|", "", RUBY, Typed("\n    ")),
        ("label:", "", C, Typed("\n")),
        ("  case 'a':", "", C, Typed("\n      ")),
        ("  default: // why", "", GO, Typed("\n      ")),
        ("  case x of", "", SHELL, Typed("\n  ")),
    ],
)
def test_enter(before: str, after: str, language: Language, typed: Typed) -> None:
    assert new_line(before, after, "    ", language) == typed


@pytest.mark.parametrize(
    ("key", "before", "after", "language", "typed"),
    [
        ("(", "f", "", PYTHON, Typed("()", back=1)),
        ("(", "f", "x", PYTHON, Typed("(")),
        (")", "f(", ")", PYTHON, Typed("", back=-1)),
        ('"', "x = ", "", PYTHON, Typed('""', back=1)),
        ('"', 'x = "a', '"', PYTHON, Typed("", back=-1)),
        ("'", "don", "", PYTHON, Typed("'")),
        ("'", 's = "it', '"', PYTHON, Typed("'")),
        ("{", "x ", ")", PYTHON, Typed("{}", back=1)),
        ("'", "fn f<", ">(x: &str)", RUST, Typed("'")),
        ("'", "x: &", " str", RUST, Typed("'")),
        ('"', "let s = ", ";", RUST, Typed('""', back=1)),
        ("`", "s := ", "", GO, Typed("``", back=1)),
        ("`", "x = ", "", PYTHON, Typed("`")),
        ("'", "the dogs", " bone", PLAIN, Typed("'")),
    ],
)
def test_a_character(key: str, before: str, after: str, language: Language, typed: Typed) -> None:
    assert character(key, before, after, language) == typed


def test_empty_pairs() -> None:
    assert is_empty_pair("f(", ")")
    assert not is_empty_pair("f(", "]")
    assert not is_empty_pair("", ")")


def test_comments_go_and_come() -> None:
    lines = ["    a", "", "        b"]
    commented = toggle_comment(lines, PYTHON)
    assert commented == ["    # a", "", "    #     b"]
    assert toggle_comment(commented, PYTHON) == lines
    assert toggle_comment(["#a", "b"], PYTHON) == ["# #a", "# b"]
    assert toggle_comment(["<p>"], HTML) == ["<!-- <p> -->"]
    assert toggle_comment(["<!-- <p> -->"], HTML) == ["<p>"]
    assert toggle_comment(["{}"], JSON) == ["{}"]


def test_the_step_of_indentation_is_the_text_s_own() -> None:
    assert indent_unit(["a", "  b", "    c", "  d"], "    ") == "  "
    assert indent_unit(["a", "\tb"], "    ") == "\t"
    assert indent_unit([], "   ") == "   "
