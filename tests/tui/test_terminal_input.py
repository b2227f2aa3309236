from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from localcoder.tui.terminal_input import InputParser

START, END = "\x1b[200~", "\x1b[201~"


def parsed(*parts: str) -> list[tuple[str, str]]:
    """The pasted texts and the keys, in order, of what arrives in these parts."""
    parser = InputParser()
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


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1bm\x1bm", ["alt+m", "alt+m"]),
        ("\x1bm\x1b[A\x1bOP", ["alt+m", "up", "f1"]),
        ("\x1bsx\x1bM", ["alt+s", "x", "alt+shift+m"]),
        ("\x1b]\x1b[\x1b[", ["alt+right_square_bracket", "alt+left_square_bracket", "alt+left_square_bracket"]),
        ("\x1bs\x1b", ["alt+s", "escape"]),
        ("\x1b\x1b[A", ["escape", "up"]),
        ("\x1b\x1bv", ["escape", "alt+v"]),
        ("a\x1b\x1b", ["a", "escape", "escape"]),
        ("\x1b\x7f\x1b\r", ["ctrl+w", "alt+enter"]),
        ("\x1bf\x1bb", ["ctrl+right", "ctrl+left"]),
        ("\x1b[109;3u", ["alt+m"]),
        ("\x1b[97;;97u", ["a"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("cut", [1, 2, 3, 100])
def test_alt_is_no_text(sent: str, keys: list[str], cut: int) -> None:
    parser = InputParser()
    events_of = [event for i in range(0, len(sent), cut) for event in parser.feed(sent[i : i + cut])]
    events_of += parser.feed("")
    found = [event for event in events_of if isinstance(event, events.Key)]
    assert [event.key for event in found] == keys
    assert not any(event.is_printable for event in found if event.key.startswith("alt+"))


def test_escape_alone_comes_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("localcoder.tui.terminal_input.get_time", lambda: now)
    parser = InputParser()
    assert list(parser.feed("\x1b")) == list(parser.tick()) == []
    now += 1
    (event,) = parser.tick()
    assert isinstance(event, events.Key) and event.key == "escape"


@pytest.mark.parametrize("keys", ["\x1b[A", "\x1b[1;5C", "\x1b[Z"])
def test_keys_are_read_as_before(keys: str) -> None:
    assert len(parsed(keys)) == 1


@pytest.mark.parametrize("text", ["日本語", "e\u0301", "한글 입력", "क्षि"])
def test_composed_text_comes_as_its_characters(text: str) -> None:
    characters = [event.character for event in InputParser().feed(text) if isinstance(event, events.Key)]
    assert "".join(character or "" for character in characters) == text
    assert all(event.is_printable for event in InputParser().feed(text) if isinstance(event, events.Key))


@pytest.mark.parametrize("text", ["👩\u200d💻", "می\u200cخواهم", "क्\u200dष"])
def test_characters_that_join_others_come_with_them(text: str) -> None:
    assert parsed(f"x\r{text}\x1b[A") == [("key", "x"), ("key", "enter"), ("paste", text), ("key", "up")]
