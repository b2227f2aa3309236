from __future__ import annotations

import ast
from pathlib import Path

import pytest

from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run, shown


@pytest.mark.parametrize(
    ("code", "filled"),
    [
        ("def f(a):\n    pass\n", "def f(a):\n    x = a\n    return x\n"),
        ("def f(a): ...\n", "def f(a):\n    x = a\n    return x\n"),
        ('def f(a):\n    """D."""\n    raise NotImplementedError("x")\n',
         'def f(a):\n    """D."""\n    x = a\n    return x\n'),
        ("def f(a):\n    # TODO: it\n\n\ny = 1\n", "def f(a):\n    # TODO: it\n    x = a\n    return x\n\n\ny = 1\n"),
        ("class A:\n    def f(a):\n        ...\n", "class A:\n    def f(a):\n        x = a\n        return x\n"),
    ],
)  # fmt: skip
def test_a_body_takes_the_place_of_what_stands_for_it(code: str, filled: str) -> None:
    indentation = "        " if "class" in code else "    "
    ran = run("fill", make_task(code), f"x = a\n{indentation}return x\n\n\ndef g():\n    pass\n")
    assert ran.after == filled
    ast.parse(ran.after)


def test_the_prompt_is_a_hole_in_the_place_of_the_mark() -> None:
    (ask,) = run("fill", make_task("def f(a):\n    pass\n\n\ny = 1\n"), "return 1").asks
    assert shown(ask.prompt) == "<fim_prefix>def f(a):\n    <fim_suffix>\n\n\ny = 1\n<fim_middle>"


@pytest.mark.parametrize(
    ("language", "code", "said", "filled"),
    [
        ("rust", "fn f() -> i32 {\n    todo!()\n}\n", "1 + 2\n}\n", "fn f() -> i32 {\n    1 + 2\n}\n"),
        ("go", "func f() int {\n\t// TODO: count\n}\n", "return 1\n}\n",
         "func f() int {\n\t// TODO: count\n\treturn 1\n}\n"),
        ("javascript", 'function f() {\n  throw new Error("not implemented");\n}\n', "return 1;\n}\n",
         "function f() {\n  return 1;\n}\n"),
    ],
)  # fmt: skip
def test_in_languages_with_braces_too(language: str, code: str, said: str, filled: str) -> None:
    assert run("fill", make_task(code, language=language), said).after == filled


def test_what_is_empty_on_purpose_is_left_so(tmp_path: Path) -> None:
    code = (
        "class P(Protocol):\n    def f(self): ...\n\n\nclass E(Exception):\n    pass\n\n\n"
        "class A(ABC):\n    @abstractmethod\n    def g(self): ...\n\n\n@overload\ndef h(): ...\n"
    )
    with pytest.raises(LocalcoderError, match="No body there"):
        run("fill", make_task(code), "x")
    with pytest.raises(LocalcoderError, match="stub"):
        run("fill", make_task("def f(): ...\n", path=tmp_path / "a.pyi"), "x")


@pytest.mark.parametrize("said", ["pass", "...", "", "def g():", "return (1"])
def test_an_answer_that_is_no_body_is_left_out(said: str) -> None:
    ran = run("fill", make_task("def f():\n    pass\n"), said)
    assert ran.outcome.edits == () and ran.outcome.notes == ("The model wrote no body for `f` that fits.",)


def test_one_that_is_broken_off_ends_with_a_line_that_parses() -> None:
    ran = run("fill", make_task("def f():\n    pass\n"), "x = 1\n    y = 2\n    if x:\n        z = (", ended=False)
    assert ran.after == "def f():\n    x = 1\n    y = 2\n"


def test_a_response_ends_with_its_block_of_code() -> None:
    task = make_task("def f():\n    pass\n", follows_instructions=True)
    assert run("fill", task, "return 1\n```\nThat is it.").after == "def f():\n    return 1\n"


def test_all_that_are_marked_are_filled() -> None:
    code = "def f():\n    pass\n\n\ndef g():\n    return 0\n\n\ndef h():\n    ...\n"
    ran = run("fill", make_task(code), "return 1", "return 2")
    assert ran.after == code.replace("pass", "return 1").replace("...", "return 2")
    assert "return 1" in shown(ran.asks[1].prompt)
