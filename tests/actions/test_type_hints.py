from __future__ import annotations

import ast

import pytest

from localcoder.actions.watch import type_ends
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run, shown

CODE = (
    "import os\n\n\nclass A:\n    def f(self, a, b=1, *c):\n        return a\n\n    def g(self):\n        self.x = 1\n"
)


def test_parameters_and_what_is_returned_get_types() -> None:
    ran = run("types", make_task(CODE, "def f"), "str, x", "int = 2", "float):", "list[str]:\n        return")
    assert "def f(self, a: str, b: int = 1, *c: float) -> list[str]:" in ran.after
    ast.parse(ran.after)


def test_each_question_shows_the_answers_before_it() -> None:
    first, second, *_ = run("types", make_task(CODE, "def f"), "str").asks
    assert shown(first.prompt) == (
        "<fim_prefix>import os\n\n\nclass A:\n    def f(self, a: <fim_suffix>, b=1, *c):\n        return a\n\n"
        "    def g(self):\n        self.x = 1\n<fim_middle>"
    )
    assert "def f(self, a: str, b: <fim_suffix> = 1, *c):" in shown(second.prompt)


def test_that_nothing_is_returned_is_known_without_a_model() -> None:
    ran = run("types", make_task(CODE, "def g"), "never asked")
    assert ran.asks == () and "def g(self) -> None:" in ran.after


def test_names_that_types_are_made_of_are_imported() -> None:
    code = '"""Doc."""\n\nimport os\n\n\ndef f(a, b):\n    return a\n'
    ran = run("types", make_task(code), "Sequence[Path]", "Any", "os.PathLike")
    assert ran.after == (
        '"""Doc."""\n\nimport os\n'
        "from collections.abc import Sequence\nfrom pathlib import Path\nfrom typing import Any\n"
        "\n\ndef f(a: Sequence[Path], b: Any) -> os.PathLike:\n    return a\n"
    )
    alone = run("types", make_task("def f(a):\n    return a"), "Any")
    assert alone.after == "from typing import Any\ndef f(a: Any) -> Any:\n    return a"


@pytest.mark.parametrize("said", ["Shelf", "f()", "", "1", ")(", "[int]", "lambda: 1", "x if y else z"])
def test_what_is_no_type_here_is_left_out(said: str) -> None:
    ran = run("types", make_task("def f(a) -> int:\n    return a\n"), said)
    assert ran.outcome.edits == () and len(ran.outcome.notes) == 1
    assert "`a` of `f`" in ran.outcome.notes[0]


def test_typescript_has_types_too() -> None:
    code = "export function f(a, b?, c = 1) {\n  return a;\n}\n"
    ran = run("types", make_task(code, language="typescript"), "string, b", "{ x: number }", "number", "string {\n")
    assert ran.after.startswith("export function f(a: string, b?: { x: number }, c: number = 1): string {\n")


def test_where_nothing_is_missing_nothing_is_asked() -> None:
    with pytest.raises(LocalcoderError, match="No type is missing"):
        run("types", make_task("def f(a: int) -> int:\n    return a\n"), "x")
    with pytest.raises(LocalcoderError, match="cannot be added to Go"):
        run("types", make_task("func f() {}\n", language="go"), "x")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("int, b", 3), ("dict[str, int])", 14), ("int = 3", 3), ("int:\n", 3), ('Literal[",", "]"]:', 17),
        ("int", None),
        ("(x: number) => void)", 19), ("{ a: string } {", 13), ("Callable[[int], str] |", None), ("int  # c", 3),
        ("string | { a: 1 }, x", 17),
    ],
)  # fmt: skip
def test_a_type_ends_before_what_cannot_belong_to_it(text: str, end: int | None) -> None:
    assert type_ends(text) == end
