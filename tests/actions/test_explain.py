from __future__ import annotations

import pytest

from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run, shown

CODE = "class A:\n    def f(self):\n        return 1\n"


def test_the_prompt_is_a_cell_of_code_and_the_text_that_follows() -> None:
    ran = run("explain", make_task(CODE, "return 1"), " It returns one.\n")
    assert shown(ran.asks[0].prompt) == ("<jupyter_start><jupyter_code>def f(self):\n    return 1<jupyter_text>")
    assert ran.outcome.explanation == "It returns one." and ran.outcome.edits == ()
    assert ran.after == CODE


def test_as_a_comment_it_stands_above_what_it_explains() -> None:
    from dataclasses import replace

    task = replace(make_task(CODE, "return 1"), as_comment=True)
    ran = run("explain", task, "It returns one. " * 8)
    lines = ran.after.split("\n")
    assert lines[1].startswith("    # It returns one.") and lines[3] == "    def f(self):"
    assert all(len(line) <= 88 for line in lines)
    page = replace(make_task("<p>x</p>\n", language="html"), as_comment=True)
    assert run("explain", page, "It --> ends.").after == "<!-- It -- > ends. -->\n<p>x</p>\n"
    with pytest.raises(LocalcoderError, match="JSON has no comments"):
        run("explain", replace(make_task("{}", language="json"), as_comment=True), "x")


def test_a_text_that_is_broken_off_ends_with_a_sentence() -> None:
    assert run("explain", make_task(CODE), "One. Two is ha", ended=False).outcome.explanation == "One."


def test_selected_lines_are_explained_and_no_others() -> None:
    code = "a = 1\nb = 2\nc = 3\n"
    ran = run("explain", make_task(code, Range(6, 12)), "x")
    assert "<jupyter_code>b = 2<jupyter_text>" in shown(ran.asks[0].prompt)
    with pytest.raises(LocalcoderError, match="nothing to explain"):
        run("explain", make_task("\n\n"), "x")


def test_a_response_ends_where_another_turn_would_begin() -> None:
    ran = run("explain", make_task(CODE, follows_instructions=True), "It is # 1.\n\n### Instruction\nMore")
    assert ran.outcome.explanation == "It is # 1."
    assert run("explain", make_task(CODE), " \n").outcome.notes == ("The model had nothing to say of it.",)
