from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.tui.text.ranking import Ranked

PATHS = [
    "README.md", "localcoder/tui/screens/edit.py", "localcoder/cli/edit.py", "localcoder/tui/screens/edit.tcss",
    "tests/tui/test_editing.py", "localcoder/completion/edits.py", "localcoder/tui/widgets/editor.py", "src/Édition.py",
    "tests/cli/test_readme.py", "localcoder/serve/asked.py",
]  # fmt: skip


def found(query: str) -> list[str]:
    ranked = Ranked(PATHS)
    indices, count = ranked.best(query, 100)
    assert count == len(indices)
    return [ranked[index] for index in indices]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("edit.py", "localcoder/cli/edit.py"),
        ("edit scr", "localcoder/tui/screens/edit.py"),
        ("scr edit", "localcoder/tui/screens/edit.py"),
        ("tuiscredpy", "localcoder/tui/screens/edit.py"),
        ("editor", "localcoder/tui/widgets/editor.py"),
        ("edpy", "localcoder/cli/edit.py"),
        ("testedit", "tests/tui/test_editing.py"),
        ("R", "README.md"),
        ("édi", "src/Édition.py"),
    ],
)
def test_the_one_that_is_meant_comes_first(query: str, first: str) -> None:
    assert found(query)[0] == first


def test_a_capital_means_itself_and_nothing_typed_is_everything() -> None:
    assert found("README") == ["README.md"]
    assert found("Edit") == []
    assert found("  ") == PATHS
    assert found("[(*") == []


def test_who_no_longer_wants_to_know_gets_nothing() -> None:
    assert Ranked(PATHS).best("e", 5, given_up=lambda: True) == ([], 0)


@given(st.lists(st.text("abAB/é\ud800", min_size=1, max_size=8), max_size=8), st.text("abAé /", max_size=4))
def test_found_is_what_has_the_letters_in_their_order(labels: list[str], query: str) -> None:
    def has(label: str, word: str) -> bool:
        rest = iter(label.lower() if word == word.lower() else label)
        return all(letter in rest for letter in word)

    ranked = Ranked(labels)
    indices, count = ranked.best(query, 100)
    assert sorted(indices) == [i for i, label in enumerate(labels) if all(has(label, w) for w in query.split())]
    assert count == len(indices)
    for index in indices:
        marks = ranked.marks(query, index)
        assert all(0 <= mark < len(labels[index]) for mark in marks)
        shown = "".join(labels[index][mark] for mark in sorted(marks)).lower()
        assert all(has(shown, word.lower()) for word in query.split())
