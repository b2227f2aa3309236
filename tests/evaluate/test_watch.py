"""Whether what was taken stays, against buffers in which each word is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from localcoder.completion.document import Document
from localcoder.evaluate.acceptance.record import Record, Suggestion, make_record
from localcoder.evaluate.acceptance.standing import Place, stands
from localcoder.evaluate.acceptance.watch import MOST_WATCHED, Watch

RECORD = make_record(Suggestion("app", "nano", "Q8_0", "python", "x"), 0.0, "all", "x", keep_text=False)


def distance(one: list[str], other: list[str]) -> int:
    """Word edit distance, the slow way."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, against in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != against))
    return row[-1]


def joined(words: list[str]) -> str:
    return "".join(word + ("\n" if index % 5 == 4 else " ") for index, word in enumerate(words))


@dataclass
class Taken:
    """What was taken, as the model knows it: an answer a look, None where nobody knows."""

    words: list[str]
    buffer: int
    since_s: float
    answers: dict[float, bool | None] = field(default_factory=dict)


class Watching(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.written: list[Record] = []
        self.watch: Watch[int] = Watch(self.written.append, is_window=False)
        self.made = 0
        self.buffers: list[list[str] | None] = [self.words(20), self.words(7)]
        self.taken: dict[int, Taken] = {}
        self.now_s = 0.0

    def words(self, count: int) -> list[str]:
        self.made += count
        return [f"w{number}x" for number in range(self.made - count, self.made)]

    def open_buffer(self, number: int) -> list[str]:
        buffer = self.buffers[number]
        if buffer is None:
            buffer = self.buffers[number] = []
        return buffer

    @rule(number=st.integers(0, 1), at=st.integers(0, 40), count=st.integers(1, 6))
    def take(self, number: int, at: int, count: int) -> None:
        buffer, words = self.open_buffer(number), self.words(count)
        at = min(at, len(buffer))
        buffer[at:at] = words
        text, start = joined(buffer), len(joined(buffer[:at]))
        place = Place(text, start, len(joined(buffer[: at + count])))
        self.taken[len(self.taken) + 1] = Taken(words, number, self.now_s)
        self.watch.begin(replace(RECORD, characters=len(self.taken)), place, number, self.now_s)

    @rule(number=st.integers(0, 1), at=st.integers(0, 40), removed=st.integers(0, 6), added=st.integers(0, 6))
    def edit(self, number: int, at: int, removed: int, added: int) -> None:
        self.open_buffer(number)[at : at + removed] = self.words(added)

    @rule(number=st.integers(0, 1))
    def close_buffer(self, number: int) -> None:
        self.buffers[number] = None

    @rule(seconds=st.sampled_from([1.0, 20.0, 31.0, 100.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def wait_until_it_says(self) -> None:
        if (look_s := self.watch.next_look_s) is not None:
            self.now_s = max(self.now_s, look_s)
            self.look()

    @rule()
    def look(self) -> None:
        def text_of(number: int) -> Document | None:
            buffer = self.buffers[number]
            return None if buffer is None else Document(joined(buffer), 0)

        self.watch.look(text_of, self.now_s)
        for taken in self.taken.values():
            for after in (30.0, 300.0):
                age_s = self.now_s - taken.since_s
                if age_s < after or after in taken.answers:
                    continue
                found = self.stands(taken)
                if found:
                    taken.answers[after] = True
                elif age_s > 2 * after:
                    taken.answers[after] = None
                elif found is not None:
                    taken.answers[after] = False

    def stands(self, taken: Taken) -> bool | None:
        buffer = self.buffers[taken.buffer]
        if buffer is None:
            return None
        kept = [index for index, word in enumerate(buffer) if word in taken.words]
        there = buffer[kept[0] : kept[-1] + 1] if kept else []
        return distance(taken.words, there) < 0.5 * max(len(taken.words), len(there))

    @invariant()
    def what_is_written_is_so(self) -> None:
        for record in getattr(self, "written", []):
            answers = self.taken[record.characters].answers
            assert (record.stands_30s, record.stands_5min) == (answers.get(30.0), answers.get(300.0))

    @invariant()
    def all_is_written_once_when_it_is_known(self) -> None:
        if hasattr(self, "written"):
            known = [number for number, taken in self.taken.items() if len(taken.answers) == 2]
            assert sorted(record.characters for record in self.written) == known
            waits = [taken for taken in self.taken.values() if len(taken.answers) < 2]
            assert (self.watch.next_look_s is None) == (not waits)

    def teardown(self) -> None:
        if hasattr(self, "watch"):
            self.watch.close()
            assert len(self.written) == len(self.taken)
            self.what_is_written_is_so()


TestWatching = Watching.TestCase
TestWatching.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ("def f(x):\n    y = x * 2\n    return y + 1\n", True),
        ("import os\n\ndef f(x):\n        y = x * 2\n        return  y+1\n\ng = 1\n", True),
        ("def f(value):\n    y = value * 2\n    return y + 1\n", True),
        ("def f(x):\n    return 0\n", False),
        ("def f(x):\n    pass\n", False),
        ("", False),
    ],
)
def test_white_space_does_not_count_and_renaming_is_no_end(now: str, found: bool) -> None:
    text = "def f(x):\n    y = x * 2\n    return y + 1\n"
    place = Place(text, text.index("y ="), text.index(" + 1"))
    assert stands(place, Document(now, 0), is_window=False) is found


def test_of_a_window_only_what_it_shows_is_told() -> None:
    lines = [f"line_{i} = compute({i}, other_{i})\n" for i in range(200)]
    new = "taken = compute(taken, taken)\n"
    text = "".join([*lines[40:80], new, *lines[80:100]])
    start = text.index(new)
    place = Place(text, start, start + len(new))

    def window(parts: list[str]) -> Document:
        return Document("".join(parts), 0)

    assert stands(place, window([*lines[60:80], new, *lines[80:120]]), is_window=True) is True
    assert stands(place, window([*lines[60:80], "z\n", *lines[80:120]]), is_window=True) is False
    assert stands(place, window(lines[90:150]), is_window=True) is None
    assert stands(place, window(lines[:60]), is_window=True) is None
    assert stands(place, window(["another file\n"] * 60), is_window=True) is None


def test_only_so_many_are_watched() -> None:
    written: list[Record] = []
    watch: Watch[int] = Watch(written.append, is_window=False)
    for _ in range(MOST_WATCHED + 3):
        watch.begin(RECORD, Place("x", 0, 1), 0, 0.0)
    assert len(written) == 3
