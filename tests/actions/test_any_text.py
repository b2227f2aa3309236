"""Whatever the text, the selection and the answer are: what comes out can be made, taken back, and parses as before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcoder.actions.holes import is_python, parses_as_well
from localcoder.actions.newlines import Newlines
from localcoder.actions.table import ACTIONS
from localcoder.completion.edits import Edit, Range, apply_edits
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run

PARTS = (
    "def f(a, b=1):", "def g(): ...", "class A:", "    def h(self):", "    def i(self, é): return é", "    pass",
    "        pass", "\tpass", "    # TODO: x", "        raise NotImplementedError", "import os", '"""Doc."""',
    "    return a", "        return 1", "x = (", ")", "", "    ", "@property", "async def j(*k, **l):", "\tx = 1",
    "if x:", "lambda: 0", "    '''x", "日本 = 1", "function f(a) {", "// TODO", "}", "  return a;",
)  # fmt: skip
texts = st.lists(st.sampled_from(PARTS), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\n".join((*lines, ""))])
)
answers = st.one_of(
    texts,
    st.sampled_from(['Does it.\n    """', "int", "str = 3", "9 @@\n+x\n x", "\\", '"', "```", "###", "*/", "pass"]),
    st.text(max_size=30),
)


@pytest.mark.parametrize("action", [action.name for action in ACTIONS if action.name != "tests"])
@settings(deadline=None, max_examples=60)
@given(text=texts, said=st.lists(answers, min_size=1, max_size=3), data=st.data(), ended=st.booleans())
def test_edits_can_be_made_and_leave_what_parsed(
    action: str, text: str, said: list[str], data: st.DataObject, ended: bool
) -> None:
    places = st.integers(0, len(text))
    start, end = sorted((data.draw(places), data.draw(places)))
    task = make_task(
        text,
        data.draw(st.sampled_from([None, Range(start, start), Range(start, end)])),
        language=data.draw(st.sampled_from(["python", "python", "javascript", "typescript", "ruby"])),
        instruction="Do it",
        follows_instructions=data.draw(st.booleans()),
    )
    task = replace(task, as_comment=data.draw(st.booleans()))
    try:
        outcome = run(action, task, *said, ended=ended).outcome
    except LocalcoderError:
        return
    assert outcome.before == text
    if outcome.edits and action != "explain":
        assert parses_as_well(task, text, outcome.after)
    if task.language.name == "python" and is_python(text) and action != "explain":
        assert is_python(outcome.after)
    assert "\r" not in outcome.after or any("\r" in each for each in said)


@given(st.text(alphabet="ab\r\n\té", max_size=40), st.data())
def test_line_ends_come_back_as_they_were(text: str, data: st.DataObject) -> None:
    newlines = Newlines(text)
    places = st.integers(0, len(newlines.normal))
    start, end = sorted((data.draw(places), data.draw(places)))
    same = newlines.outward(Edit(Range(start, end), newlines.normal[start:end]))
    assert newlines.inward(same.range) == Range(start, end)
    if "\n" not in text.replace("\r\n", ""):
        assert same.applied_to(text) == text
    outside = text[: same.range.start], text[same.range.end :]
    made = newlines.outward(Edit(Range(start, end), "x\ny")).applied_to(text)
    assert made.startswith(outside[0]) and made.endswith(outside[1])


@given(st.text(min_size=1, max_size=30), st.data())
def test_edits_are_made_all_at_once_and_can_be_taken_back(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=6, unique=True).map(sorted))
    edits = [
        Edit(Range(start, end), data.draw(st.text(max_size=4)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    after = apply_edits(text, data.draw(st.permutations(edits)))
    back, moved = [], 0
    for edit in edits:
        start = edit.range.start + moved
        back.append(Edit(Range(start, start + len(edit.text)), text[edit.range.start : edit.range.end]))
        moved += len(edit.text) - (edit.range.end - edit.range.start)
    assert apply_edits(after, back) == text


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        apply_edits("abc", [Edit(Range(0, 2), ""), Edit(Range(1, 3), "")])
    with pytest.raises(ValueError, match="behind the end"):
        apply_edits("abc", [Edit(Range(4, 4), "x")])
    assert apply_edits("ab", [Edit(Range(1, 1), "x"), Edit(Range(1, 1), "y")]) == "axyb"
