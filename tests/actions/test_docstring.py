from __future__ import annotations

import ast

import pytest

from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run, shown

CODE = '''class Shelf:
    """A shelf."""

    def read(self, name):  # of a book
        return open(name).read()


def total(values): return sum(values)


def empty():
'''


def test_a_docstring_goes_below_the_head_and_ends_at_its_quotes() -> None:
    ran = run(
        "docstring", make_task(CODE, "return open"), 'Read a book.\n\n        All of it.\n        """\n        x = 1'
    )
    assert ran.after == CODE.replace(
        "# of a book\n", '# of a book\n        """Read a book.\n\n        All of it.\n        """\n'
    )
    assert [ask.what for ask in ran.asks] == ["the docstring of `read`"]


def test_the_prompt_is_a_hole_between_the_quotes() -> None:
    (ask,) = run("docstring", make_task(CODE, "return open"), "x").asks
    before, after = CODE.split("# of a book\n")
    assert shown(ask.prompt) == (f'<fim_prefix>{before}# of a book\n        """<fim_suffix>"""\n{after}<fim_middle>')


def test_a_body_in_the_line_of_its_head_goes_to_a_line_of_its_own() -> None:
    ran = run("docstring", make_task(CODE, "def total"), "Add them.")
    assert 'def total(values):\n    """Add them."""\n    return sum(values)\n' in ran.after


def test_a_body_that_is_missing_is_the_docstring() -> None:
    ran = run("docstring", make_task(CODE, "def empty"), "Nothing.")
    assert ran.after.endswith('def empty():\n    """Nothing."""\n')
    ast.parse(ran.after)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ('Say "x"', '"""Say "x"\n    """'),
        ("A path like C:\\new", 'r"""A path like C:\\new"""'),
        ("Ends in a backslash \\", '"""Ends in a backslash"""'),
        ("  spaces \n\n\n", '"""spaces"""'),
        ("One.\n\nTwo.\n  Three.", '"""One.\n\n    Two.\n    Three.\n    """'),
    ],
)
def test_what_is_said_is_written_so_that_it_is_a_string(said: str, written: str) -> None:
    after = run("docstring", make_task("def f():\n    return 1\n"), said).after
    assert after == f"def f():\n    {written}\n    return 1\n"
    ast.parse(after)


def test_all_that_is_not_documented_is_and_what_is_already_stays() -> None:
    ran = run("docstring", make_task(CODE), "One.", "Two.", "Three.")
    assert [ask.what[:13] for ask in ran.asks] == ["the docstring"] * 3
    assert ran.after.count('"""') == 8 and '"""One."""' in ran.after and '"""Three."""' in ran.after
    # Later questions show what was answered before.
    assert '"""One."""' in shown(ran.asks[1].prompt)
    with pytest.raises(LocalcoderError, match="documented already"):
        run("docstring", make_task(CODE, "class Shelf"), "x")


def test_nothing_that_says_nothing_or_breaks_the_code_is_put_in() -> None:
    ran = run("docstring", make_task("def f():\n    return 1\n"), " \n --- ")
    assert ran.outcome.edits == () and ran.outcome.notes == ("The model had nothing fitting to say of `f`.",)


def test_a_text_that_is_broken_off_ends_with_a_sentence() -> None:
    ran = run("docstring", make_task("def f():\n    return 1\n"), "One thing. And then anoth", ended=False)
    assert '"""One thing."""' in ran.after
    assert ran.outcome.notes == ("The text of `f` was cut at its last sentence.",)


def test_without_a_definition_there_is_nothing_to_document() -> None:
    with pytest.raises(LocalcoderError, match="no function or class in line 2"):
        run("docstring", make_task("x = 1\ny = 2\n", Range(6, 6)), "x")
    with pytest.raises(LocalcoderError, match="not known how JSON"):
        run("docstring", make_task("{}", language="json"), "x")


@pytest.mark.parametrize(
    ("language", "code", "said", "after"),
    [
        (
            "javascript",
            "  export function f(a) {\n    return a;\n  }\n",
            "Gives it back.\n   * @param a what\n   */\n  export function g",
            "  /**\n   * Gives it back.\n   * @param a what\n   */\n  export function f(a) {\n    return a;\n  }\n",
        ),
        (
            "go",
            "func Max(a int) int {\n\treturn a\n}\n",
            "returns the most.\n// It is a.\nfunc Min(",
            "// Max returns the most.\n// It is a.\nfunc Max(a int) int {\n\treturn a\n}\n",
        ),
        ("rust", "fn f() {}\n", "Does it.\n///\n/// More.\nfn", "/// Does it.\n///\n/// More.\nfn f() {}\n"),
        ("ruby", "def f\n  1\nend\n", "One.", "# One.\ndef f\n  1\nend\n"),
    ],
)
def test_elsewhere_it_is_a_comment_before_the_definition(language: str, code: str, said: str, after: str) -> None:
    assert run("docstring", make_task(code, language=language), said).after == after


def test_a_method_that_does_not_begin_its_line_is_left_out() -> None:
    ran = run("docstring", make_task("/** x */\nclass A { f() {} }\n", language="javascript"), "x")
    assert ran.asks == () and ran.outcome.notes == ("`f` does not begin its line: left out.",)


def test_a_model_that_follows_instructions_goes_on_with_the_code() -> None:
    task = make_task(CODE, "return open", follows_instructions=True)
    (ask,) = run("docstring", task, 'Read it."""\n```').asks
    prompt = shown(ask.prompt)
    assert prompt.startswith("<|endoftext|>You are an exceptionally")
    assert "### Instruction\nWrite the docstring of the function `read`" in prompt
    assert prompt.endswith('### Response\n```python\ndef read(self, name):  # of a book\n        """')
