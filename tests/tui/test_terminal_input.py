from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from localcoder.tui.terminal_input import PasteParser

START, END = "\x1b[200~", "\x1b[201~"


def parsed(*parts: str) -> list[tuple[str, str]]:
    """The pasted texts and the keys, in order, of what arrives in these parts."""
    parser = PasteParser()
    found = []
    for part in parts:
        for event in parser.feed(part):
            if isinstance(event, events.Paste):
                found.append(("paste", event.text))
            elif isinstance(event, events.Key):
                found.append(("key", event.key))
    return [item for item in found if item != ("paste", "")]


def test_escape_sequences_in_a_paste_stay_text() -> None:
    pasted = "a\x1b[A\x1b[31mred\x1b\x1b[200~\x11"
    assert parsed(f"x{START}{pasted}{END}y") == [("key", "x"), ("paste", pasted), ("key", "y")]


def test_two_pastes_and_keys_between() -> None:
    assert parsed(f"{START}a{END}\x1b[A{START}b{END}") == [("paste", "a"), ("key", "up"), ("paste", "b")]


@given(st.text(st.sampled_from("ab\x1b[201~\n"), max_size=30), st.lists(st.integers(0, 60), max_size=5))
def test_it_does_not_matter_where_the_reads_are_cut(text: str, cuts: list[int]) -> None:
    text = text.replace(END, "")
    whole = f"k{START}{text}{END}k"
    places = sorted({cut for cut in cuts if 0 < cut < len(whole)})
    parts = [whole[i:j] for i, j in zip([0, *places], [*places, len(whole)], strict=True)]
    expected = [("key", "k"), ("paste", text), ("key", "k")]
    assert parsed(*parts) == [item for item in expected if item != ("paste", "")]


@pytest.mark.parametrize("keys", ["\x1b[A", "\x1b[1;5C", "\x1b[Z"])
def test_keys_are_read_as_before(keys: str) -> None:
    assert len(parsed(keys)) == 1
