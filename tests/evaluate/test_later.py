"""What a client took of suggestions, as its later texts tell, against an editor whose user is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from localcoder.completion.document import Document
from localcoder.evaluate.acceptance.later import FORGOTTEN_S, MOST_WAITING, Later, Settled, taken_of
from localcoder.evaluate.acceptance.record import Suggestion
from localcoder.evaluate.acceptance.standing import Follows, follows

BASE = [f"base{i} = function_number_{i}(argument_{i}, {i} * other_{i}, name=name_{i})" for i in range(60)]


def suggestion(text: str) -> Suggestion:
    return Suggestion("serve", "nano", "Q8_0", "python", text)


def document(text: str) -> Document:
    """The cursor stands where `|` is."""
    before, _, behind = text.partition("|")
    return Document(before + behind, len(before))


@dataclass
class Offered:
    """A suggestion as the editor knows it. `taken` is what the user took of it, None while it was not shown yet."""

    text: str
    taken: str | None = None


@dataclass
class Client:
    """The simplest editor: a text, a cursor, and what is shown there."""

    before: str
    behind: str
    shown: Offered | None = None
    ahead: Offered | None = None
    offered: list[Offered] = field(default_factory=list)


class Editing(RuleBasedStateMachine):
    """Every suggestion and every typed word is new, so that where each stands is beyond doubt."""

    @initialize(line=st.integers(3, 50), window=st.sampled_from([20, 40, 100]))
    def begin(self, line: int, window: int) -> None:
        self.client = Client("\n".join(BASE[:line]), "\n" + "\n".join(BASE[line:]))
        self.window = window
        self.settled: list[Settled] = []
        self.later = Later(self.settled.append)
        self.words = 0
        self.now_s = 0.0
        self.old: Offered | None = None

    def document(self, more: str = "") -> Document:
        """The lines around the cursor that the client sends."""
        before = "\n".join((self.client.before + more).split("\n")[-self.window :])
        behind = "\n".join(self.client.behind.split("\n")[: self.window])
        return Document(before + behind, len(before))

    def word(self) -> str:
        self.words += 1
        return f"word{self.words}x"

    def offer(self, shape: str, more: str = "") -> Offered:
        made = Offered(shape.replace("W", "{}").format(*(self.word() for _ in range(shape.count("W")))))
        asked = self.document(more)
        self.later.seen(asked, self.now_s)
        self.later.answered(suggestion(made.text), asked, at=0, now_s=self.now_s)
        self.client.offered.append(made)
        return made

    @rule(shape=st.sampled_from([" + W", " + W * W", " + W\nW = W", "\nW(W)\nW = W\nreturn W"]))
    def ask(self, shape: str) -> None:
        self.client.shown, self.client.ahead = self.offer(shape), None
        self.client.shown.taken = ""

    # Clients ask ahead at once.
    @precondition(lambda self: self.client.shown not in (None, self.old) and self.client.ahead is None)
    @rule(shape=st.sampled_from(["\nW = W", "\nW(W)\nreturn W"]))
    def ask_ahead(self, shape: str) -> None:
        assert self.client.shown is not None
        self.client.ahead = self.offer(shape, self.client.shown.text)

    @precondition(lambda self: self.client.shown is not None)
    @rule()
    def take_all(self) -> None:
        assert self.client.shown is not None
        self.take(self.client.shown.text)
        self.client.shown, self.client.ahead = self.client.ahead, None
        if self.client.shown is not None:
            self.client.shown.taken = ""

    @precondition(lambda self: self.client.shown is not None and "\n" in self.client.shown.text[1:])
    @rule()
    def take_a_line(self) -> None:
        assert self.client.shown is not None
        text = self.client.shown.text
        self.take(text[: text.index("\n", 1)])
        self.client.shown = self.client.ahead = None
        self.type()

    def take(self, text: str) -> None:
        assert self.client.shown is not None
        self.client.before += text
        self.client.shown.taken = text

    @rule()
    def type(self) -> None:
        self.client.before += f" {self.word()}"
        self.client.shown = self.client.ahead = None

    @rule()
    def type_along(self) -> None:
        if self.client.shown is not None:
            self.client.before += self.client.shown.text[:4].rstrip()
        self.type()

    @rule()
    def forget(self) -> None:
        self.now_s += FORGOTTEN_S + 1
        self.old = self.client.shown

    @invariant()
    def what_is_settled_is_so(self) -> None:
        if not hasattr(self, "settled"):
            return
        offered = {each.text: each for each in self.client.offered}
        seen = [each.suggestion.text for each in self.settled]
        assert len(seen) == len(set(seen)), "once"
        for each in self.settled:
            truth = offered[each.suggestion.text].taken
            if each.taken == "unknown":
                continue
            assert truth is not None, "it was shown"
            assert each.taken_text == truth
            assert each.taken == ("all" if truth == each.suggestion.text else "part" if truth else "none")

    @rule()
    def all_is_settled_when_the_next_text_comes(self) -> None:
        """Whatever was shown is known as soon as the user wrote something of his own behind it."""
        if self.window < 100 or self.now_s:
            return
        self.type()
        self.later.seen(self.document(), self.now_s)
        settled = {each.suggestion.text for each in self.settled}
        assert {each.text for each in self.client.offered if each.taken is not None} <= settled

    def teardown(self) -> None:
        if hasattr(self, "later"):
            self.later.close()
            self.what_is_settled_is_so()


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


@pytest.mark.parametrize(
    ("was", "suggested", "now", "taken"),
    [
        ("def f(x):\n    |\n", "return x", "def f(x):\n    return x\n\ny = 1|\n", "all"),
        ("def f(x):\n    |\n", "return x", "def f(x):\n    retu|\n", "none"),
        ("def f(x):\n    |\n", "return x", "def f(x):\n    return xs|\n", "none"),
        ("def f(x):\n    |\n", "return x", "def f(x):\n    pass|\n", "none"),
        ("def f(x):\n    |\n", "x += 1\n    return x", "def f(x):\n    x += 1\n    print(x)|\n", "part"),
        ("def f(x):\n    |\n", "x += 1\n    return x", "def f(x):\n    x += 12\n    print(x)|\n", "none"),
        ("def f(x):\r\n    |\r\n", "x += 1\n    return x", "def f(x):\r\n    x += 1\r\n    return x\r\nz|\r\n", "all"),
        ("some = other\nx = fo|\n", "o(1)", "some = other\ny = foo(1)\nz|\n", "all"),
        ("some = other\nx = fo|\n", "o(1)", "some = other\nx = ba|\n", "none"),
        ("def f(x):\n    |\n", "return x", "def f(x):\n    |\n", None),
        ("def f(x):\n    |\n", "return x", "def f(x):\n    return x|\n", None),
        ("def f(x):\n    |\n", "x += 1\n    return x", "def f(x):\n    x += 1|\n", None),
        ("def f(x):\n    |\n", "return x", "<html>\n<body>return x|</body>\n", None),
        ("|", "return x", "return x\ny|", None),
    ],
)
def test_what_a_later_text_tells(was: str, suggested: str, now: str, taken: str | None) -> None:
    settled: list[Settled] = []
    later = Later(settled.append)
    later.answered(suggestion(suggested), document(was), at=0, now_s=0)
    later.seen(document(now), 1)
    assert [each.taken for each in settled] == ([] if taken is None else [taken])
    later.close()
    assert len(settled) == 1 and settled[0].taken == (taken or "unknown")


def test_the_place_is_found_in_a_window_that_moved() -> None:
    lines = [f"line_{i} = compute({i}, other_{i})" for i in range(200)]

    def window(first: int, cursor: int, more: str = "") -> Document:
        before = "\n".join(lines[first:cursor]) + more
        return Document(before + "\n" + "\n".join(lines[cursor : cursor + 30]), len(before))

    was = window(20, 80)
    found = follows(was, window(40, 80, "\nnew = 1\nz"))
    assert found is not None and found.text.startswith("\nnew = 1\nz\nline_80")
    assert follows(was, window(100, 150)) is None, "another part of the file"
    assert follows(was, window(70, 120)) is None or "line_80" in follows(was, window(70, 120)).text[:8]  # type: ignore[union-attr]


def test_only_so_many_wait() -> None:
    settled: list[Settled] = []
    later = Later(settled.append)
    for number in range(MOST_WAITING + 5):
        later.answered(suggestion(f"s{number}"), document(f"text of the file number {number} = |"), at=0, now_s=0)
    assert [each.suggestion.text for each in settled] == [f"s{number}" for number in range(5)]
    assert all(each.taken == "unknown" for each in settled)


def test_white_space_around_it_does_not_count() -> None:
    assert taken_of("\n    return x\n", Follows("\n\treturn x")) == "\n    return x\n"
    assert taken_of("    return x\n", Follows("return x\n")) == "    return x\n"
    assert taken_of("x\n\ny", Follows("x\n\nz")) == "x\n"
