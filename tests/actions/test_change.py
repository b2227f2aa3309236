from __future__ import annotations

import ast
from pathlib import Path

import pytest

from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run, shown

CODE = (
    "import os\n\n\ndef total(values):\n    result = 0\n    for value in values:\n        result += value\n"
    "    return result\n\n\nX = 1\n"
)
HUNK = (
    "8 @@\n import os\n \n \n+def total(values):\n+    return sum(values)\n \n \n X = 1\n"
    " this is behind the hunk, and so is no part of it\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "pyproject.toml").touch()
    return tmp_path / "shop" / "sums.py"


def test_the_prompt_is_a_pull_request_that_was_commented_on(file: Path) -> None:
    """Lozhkov et al. 2024, section 5: title, status, repository, base, diff; comment; diff."""
    (ask,) = run("change", make_task(CODE, "result = 0", path=file, instruction="Use the builtin"), HUNK).asks
    base = "import os\n\n\n\n\nX = 1"
    added = (
        "+def total(values):\n+    result = 0\n+    for value in values:\n+        result += value\n+    return result"
    )
    header = "@@ -1,6 +1,11 @@\n import os\n \n \n"
    assert shown(ask.prompt) == (
        "<pr>Title: Add total\nusername_0: Add total in sums.py.<pr_status>opened<repo_name>shop"
        f"<pr_base><pr_file>sums.py<pr_base_code>{base}"
        f"<pr_diff><pr_file>sums.py<pr_diff_hunk>{header}{added}\n \n \n X = 1"
        "<pr_review_comment><pr_event_id>1214093755<pr_file>sums.py<pr_diff_hunk_comment_line>8"
        f"<pr_diff_hunk>{header}{added}<pr_comment>username_1: Use the builtin"
        "<pr_diff><pr_file>sums.py<pr_diff_hunk>@@ -1,6 +1,"
    )


def test_the_hunk_is_applied_and_ends_with_its_base(file: Path) -> None:
    ran = run("change", make_task(CODE, "result = 0", path=file, instruction="Use sum"), HUNK)
    assert ran.after == "import os\n\n\ndef total(values):\n    return sum(values)\n\n\nX = 1\n"


def test_lines_around_may_change_with_it(file: Path) -> None:
    hunk = "8 @@\n-import os\n+import sys\n \n \n+def total(values):\n+    return sum(values)\n \n \n X = 1"
    ran = run("change", make_task(CODE, "result = 0", path=file, instruction="Use sum"), hunk)
    assert ran.after == "import sys\n\n\ndef total(values):\n    return sum(values)\n\n\nX = 1\n"


@pytest.mark.parametrize(
    ("hunk", "note"),
    [
        ("3 @@\n import sys\n+x\n", "does not fit"),
        ("", "does not fit"),
        ("1 @@\n import os\n \n \n+def total(:\n \n \n X = 1\n", "break the code"),
        ("9 @@\n import os\n \n \n" + "".join(f"+{line}\n" for line in CODE.split("\n")[3:8]) + " \n \n X = 1\n",
         "change nothing"),
    ],
)  # fmt: skip
def test_a_hunk_that_does_not_fit_changes_nothing(file: Path, hunk: str, note: str) -> None:
    ran = run("change", make_task(CODE, "result = 0", path=file, instruction="Use sum"), hunk)
    assert ran.outcome.edits == () and note in ran.outcome.notes[0]


def test_one_that_is_broken_off_changes_nothing(file: Path) -> None:
    ran = run("change", make_task(CODE, "result = 0", path=file, instruction="x"), HUNK[:60], ended=False)
    assert ran.outcome.edits == () and "did not come to an end" in ran.outcome.notes[0]


def test_selected_lines_are_changed_and_no_others() -> None:
    at = Range(CODE.index("    for"), CODE.index("    return"))
    hunk = "8 @@\n \n def total(values):\n     result = 0\n+    result = sum(values)\n     return result\n \n \n"
    ran = run("change", make_task(CODE, at, instruction="Use sum"), hunk)
    assert ran.after == CODE.replace(CODE[at.start : at.end], "    result = sum(values)\n")


def test_a_whole_file_is_asked_for_in_the_format_of_issues() -> None:
    ran = run("change", make_task("x = 1\ny = 2\n", instruction="Add them"), "x = 3\n```\nThanks!")
    assert shown(ran.asks[0].prompt) == (
        "<issue_start>username_0: Add them\n\nThis is the program as it is now:\n\n```python\nx = 1\ny = 2\n```"
        "<issue_comment>username_1: This is all of the program with that change:\n\n```python\n"
    )
    assert ran.after == "x = 3\n"


def test_a_model_that_follows_instructions_writes_the_lines_anew() -> None:
    code = "class A:\n    def f(self):\n        return 1\n\n    x = 1\n"
    task = make_task(code, "return 1", instruction="Return 2", follows_instructions=True)
    ran = run("change", task, "def f(self):\n    return 2\n```\n\nThat is it.")
    assert ran.after == code.replace("return 1", "return 2")
    prompt = shown(ran.asks[0].prompt)
    assert "### Instruction\nReturn 2\n\nAnswer with" in prompt and prompt.endswith("### Response\n```python\n")
    assert "```python\ndef f(self):\n    return 1\n```" in prompt


def test_a_finding_is_a_comment_on_its_line() -> None:
    task = make_task(CODE, "result += value", instruction="Use sum() instead.")
    ran = run("fix", task, "8 @@\n import os\n \n \n+def total(values):\n+    return sum(values)\n \n \n X = 1\n")
    prompt = shown(ran.asks[0].prompt)
    assert "<pr_diff_hunk_comment_line>7<" in prompt
    assert "+        result += value<pr_comment>username_1: Use sum() instead. Please fix this.<pr_diff>" in prompt
    ast.parse(ran.after)
    assert "return sum(values)" in ran.after


def test_what_is_not_said_is_not_asked() -> None:
    with pytest.raises(LocalcoderError, match="not said what to change"):
        run("change", make_task(CODE, "result"), "x")
    with pytest.raises(LocalcoderError, match="not said where"):
        run("fix", make_task(CODE, instruction="bad"), "x")
    with pytest.raises(LocalcoderError, match="nothing to change"):
        run("change", make_task("\n\nx = 1\n", Range(0, 1), instruction="y"), "x")
