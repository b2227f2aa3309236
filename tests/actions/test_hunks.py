from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcoder.actions.given import Lines, changed_lines, findings, is_diff, range_of
from localcoder.actions.hunks import hunks_between, take, unified_diff
from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError

texts = st.lists(st.sampled_from(["a", "b", "", "\tc", "d\r", "é\x0c", "+e", "\u2028"]), max_size=30).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\n".join((*lines, ""))])
)


@given(before=texts, after=texts, data=st.data())
def test_hunks_can_be_taken_one_by_one(before: str, after: str, data: st.DataObject) -> None:
    hunks = hunks_between(before, after)
    assert take(before, hunks) == after and take(before, ()) == before
    some = [hunk for hunk in hunks if data.draw(st.booleans())]
    rest = [hunk for hunk in hunks if hunk not in some]
    # The others are what is still different.
    assert sum(len(hunk.edits) for hunk in hunks_between(before, take(before, some))) >= (0 if not some else 1)
    assert take(before, [*some, *rest]) == after


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@settings(max_examples=15, deadline=None)
@given(before=texts, after=texts)
def test_git_applies_what_is_printed(before: str, after: str) -> None:
    diff = unified_diff(before, after, "a", is_new=not before)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a"
        if before:
            file.write_bytes(before.encode())
        if diff:
            subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=diff.encode(), check=True, cwd=folder)
        assert (file.read_bytes().decode() if file.exists() else "") == after


DIFF = """diff --git a/x.py b/x.py
--- a/x.py
+++ b/x.py
@@ -1,3 +1,4 @@
 a
+++ looks like a header
+b
 c
@@ -9 +10,0 @@
-gone
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
--- a/y.py\t2024-01-01
+++ y.py\t2024-01-01
@@ -0,0 +1 @@
+new
"""


def test_a_diff_says_which_lines_it_changes() -> None:
    assert is_diff(DIFF) and not is_diff("x = 1\n+++ b\n")
    assert changed_lines(DIFF) == (Lines("x.py", 2, 3), Lines("x.py", 10, 10), Lines("y.py", 1, 1))


def test_linters_say_where_something_is_wrong() -> None:
    said = "a/b.py:3:7: F401 unused\nC:\\x.c:4: warning: bad\nFound 1 error.\n\n  c.ts:5:1 Missing\n"
    assert findings(said) == (
        Lines("a/b.py", 3, 3, "F401 unused"), Lines("C:\\x.c", 4, 4, "warning: bad"), Lines("c.ts", 5, 5, "Missing"),
    )  # fmt: skip


def test_lines_are_characters() -> None:
    text = "a\r\n  b\r\nc"
    assert range_of(text, Lines("", 1, 2)) == Range(0, 8)
    assert range_of(text, Lines("", 2, 2)) == Range(5, 5)
    assert range_of(text, Lines("", 2, 3)) == Range(3, 9)
    for first, last in ((0, 1), (2, 1), (1, 4)):
        with pytest.raises(LocalcoderError, match="outside the text"):
            range_of(text, Lines("", first, last))
