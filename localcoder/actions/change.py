"""A change of some lines by instruction, or of what a finding is about."""

from __future__ import annotations

import re
from collections.abc import Generator
from textwrap import dedent, indent

from localcoder.actions.asking import Ask, Outcome, Plan, Task
from localcoder.actions.chat import conversation, instruction
from localcoder.actions.holes import ends_of_response, parses_as_well
from localcoder.actions.places import around, indentation_at, line_of, line_start, whole_lines
from localcoder.actions.prompt import Prompt, named
from localcoder.actions.pull_request import Review, review
from localcoder.actions.watch import Answer, Watch, fence_ends
from localcoder.code.definitions import definitions_in
from localcoder.completion.edits import Edit, Range
from localcoder.errors import LocalcoderError

_LEAST_TOKENS, _MOST_TOKENS = 128, 1024
_CHARACTERS_PER_TOKEN = 2.5
"""Of code that is written anew: on the low side, so that what is not longer than before is never broken off."""
_NEARBY_LINES = 5
"""On each side of a finding in no definition, or in a long one."""
_LONG_LINES = 60
"""Chosen: a definition that is longer is not written anew for one finding."""


def change(task: Task) -> Plan:
    """Change the selected lines, or the definition around the cursor, as the instruction says."""
    return (yield from _change(task, _region(task), task.instruction, None))


def fix(task: Task) -> Plan:
    """Change what is around a finding: the selection is where it is, the instruction what it says."""
    if task.selection is None:
        raise LocalcoderError("It is not said where the finding is.", "Give FILE:LINE.", exit_code=2)
    region = _around_finding(task, task.selection)
    first = line_of(task.text, region.start)
    line = line_of(task.text, task.selection.start) - first
    said = task.instruction.strip().rstrip(".")
    about = task.text.split("\n")[line_of(task.text, task.selection.start) - 1].strip()
    comment = f"{said}. Please fix this."
    told = f"Fix this problem in the line `{about}`: {said}." if task.follows_instructions and about else comment
    return (yield from _change(task, region, told, line))


def _change(task: Task, region: Range, said: str, comment_line: int | None) -> Plan:
    if not said.strip():
        raise LocalcoderError("It is not said what to change.", 'Say it: change "use a set".', exit_code=2)
    if not task.text[region.start : region.end].strip():
        raise LocalcoderError("There is nothing to change there.", "Choose lines with code.", exit_code=2)
    edit, note = yield from (
        _rewritten(task, region, said) if task.follows_instructions else _reviewed(task, region, said, comment_line)
    )
    if not note and edit.text == task.text[edit.range.start : edit.range.end]:
        note = "The model would change nothing."
    elif not note and not parses_as_well(task, task.text, edit.applied_to(task.text)):
        note = "What the model wrote would break the code: left out."
    return Outcome(task.text, () if note else (edit,), task.document.path, notes=(note,) if note else ())


_Made = Generator[Ask, Answer, tuple[Edit, str]]
"""Gives the edit, and why it is none."""


def _reviewed(task: Task, region: Range, said: str, comment_line: int | None) -> _Made:
    place = around(definitions_in(task.text, task.language), region)
    suffix = task.language.suffixes[0] if task.language.suffixes else ""
    asked = review(
        task.text, region, said, task.document.path,
        name=place.name if place is not None else "", comment_line=comment_line, suffix=suffix,
    )  # fmt: skip
    if asked is None:
        return (yield from _whole_file(task, region, said))
    shown = _shown(task.text, region, asked)

    def edit(hunk: str) -> Edit | None:
        lines = asked.applied(hunk)
        return None if lines is None else Edit(shown, "\n".join(lines))

    def so_far(hunk: str) -> Outcome:
        # What is still to come of the lines may be what they were.
        made = edit(hunk.rpartition("\n")[0])
        return Outcome(task.text, (made,) if made is not None and "\n+" in hunk else (), task.document.path)

    answer = yield Ask(
        asked.prompt(), lambda: Watch(asked.hunk_ends), so_far, _tokens_for(task, shown), "the changed lines"
    )
    made = edit(answer.text)
    if made is None or "\n" not in answer.text:
        return Edit(region, ""), "The model's hunk does not fit the file: nothing was changed."
    return made, "" if answer.is_whole else "The model did not come to an end: nothing was changed."


def _shown(text: str, region: Range, asked: Review) -> Range:
    """The region with the lines around it that its hunk shows."""
    start, end = region.start, region.end
    for _ in range(asked.lines_before):
        start = line_start(text, start - 1)
    for _ in range(len(asked.shown_lines()) - asked.lines_before - len(asked.changed)):
        following = text.find("\n", end + 1)
        end = len(text) if following < 0 else following
    return Range(start, end)


def _whole_file(task: Task, region: Range, said: str) -> _Made:
    """In the format of issues: a program, and an answer with all of it."""
    code, fence = task.text[region.start : region.end], task.language.name
    name = task.document.path.name if task.document.path is not None else "the program"
    prompt: Prompt = named(
        ("<issue_start>", f"username_0: {said}\n\nThis is {name} as it is now:\n\n```{fence}\n{code}\n```"),
        ("<issue_comment>", f"username_1: This is all of {name} with that change:\n\n```{fence}\n"),
    )
    return (yield from _replacement(task, region, prompt, Watch(fence_ends)))


def _rewritten(task: Task, region: Range, said: str) -> _Made:
    code, fence = task.text[region.start : region.end], task.language.name
    asked = instruction(f"{said}\n\nAnswer with the whole of the changed code.", dedent(code), fence)
    prompt = conversation([asked], f"```{fence}\n")
    return (yield from _replacement(task, region, prompt, Watch(*ends_of_response(task))))


def _replacement(task: Task, region: Range, prompt: Prompt, watch: Watch) -> _Made:
    """Code that takes the region's place, as deep as that is."""

    def edit(code: str) -> Edit:
        return Edit(region, _as_deep(code, indentation_at(task.text, region.start)))

    def so_far(code: str) -> Outcome:
        return Outcome(task.text, (edit(code),) if code.strip() else (), task.document.path)

    answer = yield Ask(prompt, lambda: watch, so_far, _tokens_for(task, region), "the changed code")
    if not answer.text.strip():
        return Edit(region, ""), "The model had no answer."
    return edit(answer.text), "" if answer.is_whole else "The model did not come to an end: nothing was changed."


def _as_deep(code: str, indentation: str) -> str:
    code = code.strip("\n").rstrip()
    first = re.match(r"[ \t]*", code)
    return code if first is not None and first[0] == indentation else indent(dedent(code), indentation)


def _tokens_for(task: Task, region: Range) -> int:
    wanted = int(1.5 * (region.end - region.start) / _CHARACTERS_PER_TOKEN)
    return min(max(wanted, _LEAST_TOKENS), _MOST_TOKENS)


def _region(task: Task) -> Range:
    """The selected lines; of a mere cursor, the definition around it, or its line; without one, everything."""
    text = task.text
    if task.selection is None:
        return Range(0, len(text.rstrip("\n")))
    if task.selection.start == task.selection.end and (
        place := around(definitions_in(text, task.language), task.selection)
    ):
        return whole_lines(text, Range(place.start, place.end))
    return whole_lines(text, task.selection)


def _around_finding(task: Task, at: Range) -> Range:
    text = task.text
    place = around(definitions_in(text, task.language), Range(at.start, at.start))
    if place is not None and text.count("\n", place.start, place.end) < _LONG_LINES:
        return whole_lines(text, Range(place.start, place.end))
    start, end = line_start(text, at.start), at.end
    for _ in range(_NEARBY_LINES):
        start = line_start(text, max(start - 1, 0))
        end = min(text.find("\n", end) + 1 or len(text), len(text))
    return whole_lines(text, Range(start, end))
