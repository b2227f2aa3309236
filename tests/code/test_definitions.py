from __future__ import annotations

import pytest

from localcoder.code.definitions import DefinitionPlace, definitions_in
from localcoder.code.languages import by_name


def found(language: str, text: str) -> dict[str, DefinitionPlace]:
    return {place.name: place for place in definitions_in(text, by_name(language))}


PYTHON = '''class A(Protocol):
    def bare(self): ...


class B:
    """x"""

    @property
    def q(self, é, b=1, *c, d: int = 2, **k):
        """d"""
        # TODO: x

        # more
    # not its own

    def __init__(self, x):
        self.x = x


@overload
def h(): ...
def i(): return 3
'''


def test_definitions_have_places_in_characters() -> None:
    places = found("python", PYTHON)
    assert list(places) == ["A", "bare", "B", "q", "__init__", "h", "i"]
    q = places["q"]
    assert PYTHON[q.start : q.start + 9] == "@property" and PYTHON[: q.head_end].endswith("**k):")
    assert q.is_documented and places["B"].is_documented and not places["i"].is_documented
    assert places["i"].body is not None
    assert PYTHON[places["i"].body.start : places["i"].body.end] == "return 3"


def test_bodies_that_are_not_written_yet_are_found_and_no_others() -> None:
    places = found("python", PYTHON)
    assert [name for name, place in places.items() if place.blank is not None] == ["q"]
    blank = places["q"].blank
    assert blank is not None and PYTHON[: blank.end].endswith("# more")


@pytest.mark.parametrize(
    ("language", "text", "blank"),
    [
        ("rust", "fn f() {\n    todo!()\n}\n", "todo!()"),
        ("rust", "fn f() { unimplemented!(); }\n", "unimplemented!();"),
        ("go", 'package a\n\nfunc f() {\n\tpanic("not implemented")\n}\n', 'panic("not implemented")'),
        ("java", 'class A { int f() { throw new X("Not implemented yet"); } }', 'throw new X("Not implemented yet");'),
        ("kotlin", 'fun f(): Int {\n    TODO("x")\n}\n', 'TODO("x")'),
        ("swift", "func f() -> Int {\n    fatalError()\n}\n", "fatalError()"),
        ("ruby", "def f\n  raise NotImplementedError\nend\n", "raise NotImplementedError"),
        ("csharp", "class A { int f() { throw new NotImplementedException(); } }",
         "throw new NotImplementedException();"),
        ("c", "int f(void) {\n    /* TODO */\n}\n", ""),
        ("php", "<?php\nfunction f($a) {\n    // TODO\n}\n", ""),
    ],
)  # fmt: skip
def test_each_language_has_its_own_marks(language: str, text: str, blank: str) -> None:
    place = found(language, text)["f"].blank
    assert place is not None and text[place.start : place.end] == blank


@pytest.mark.parametrize(
    ("language", "text"),
    [("rust", "fn f() { g(); }"), ("c", "int f(void) {\n}\n"), ("javascript", "function f() { // note\n}"),
     ("python", "def f():\n    return 1  # TODO\n"), ("markdown", "# TODO\n")],
)  # fmt: skip
def test_a_body_that_is_written_or_empty_is_no_hole(language: str, text: str) -> None:
    assert all(place.blank is None for place in definitions_in(text, by_name(language)))


def test_types_that_are_missing_have_places() -> None:
    text = "def f(a, b=1, *c, d: int = 2, **k):\n    yield a\n"
    holes = found("python", text)["f"].types
    assert [text[: hole.start].rpartition(" ")[2] for hole in holes][1:4] == ["b", "*c", "**k"]
    assert [(hole.before, hole.after, hole.sure) for hole in holes] == [
        (": ", "", ""), (": ", " = ", ""), (": ", "", ""), (": ", "", ""), (" -> ", "", ""),
    ]  # fmt: skip
    # `self` has none, and what surely returns nothing is known to.
    assert [hole.sure for hole in found("python", PYTHON)["__init__"].types] == ["", "None"]
    assert found("python", PYTHON)["q"].types[-1].sure == ""
    assert len(found("typescript", "class A { set x(v) {} constructor(a: string) {} }")["x"].types) == 1
