"""What a piece of code does, in words: the text that follows a code cell in a notebook."""

from __future__ import annotations

import re
import textwrap

from localcoder.actions.asking import Ask, Outcome, Plan, Task
from localcoder.actions.chat import conversation, instruction, response_ends
from localcoder.actions.places import around, indentation_at, line_start, whole_lines
from localcoder.actions.prompt import NOTEBOOK, named
from localcoder.actions.watch import Watch
from localcoder.code.definitions import definitions_in
from localcoder.completion.edits import Edit, Range
from localcoder.errors import LocalcoderError

_MAX_TOKENS = 200
_COMMENT_COLUMNS = 88
"""Where the lines of an explanation that is put as a comment end. Chosen: what most formatters allow."""


def explain(task: Task) -> Plan:
    """Say what is chosen does; with `as_comment`, in a comment above it."""
    region = _region(task)
    code = textwrap.dedent(task.text[region.start : region.end])[: task.prompt_characters]
    if not code.strip():
        raise LocalcoderError("There is nothing to explain there.", "Choose lines with code.", exit_code=2)
    if task.as_comment and not task.language.comment:
        what = f"{task.language.label} has no comments."
        raise LocalcoderError(what, "Leave --comment out.", exit_code=2)
    if task.follows_instructions:
        prompt = conversation(
            [instruction("Explain in a few sentences what this code does.", code, task.language.name)]
        )
    else:
        start, cell, text = NOTEBOOK
        prompt = named((start, ""), (cell, code), (text, ""))
    answer = yield Ask(
        prompt,
        lambda: Watch(*([response_ends] if task.follows_instructions else [])),
        lambda text: Outcome(task.text, (), task.document.path, explanation=text.strip()),
        _MAX_TOKENS,
        "the explanation",
    )
    said = _whole_sentences(answer.text.strip(), is_whole=answer.is_whole)
    if not re.search(r"\w", said):
        return Outcome(task.text, (), task.document.path, notes=("The model had nothing to say of it.",))
    edits = (_comment(task, region, said),) if task.as_comment else ()
    return Outcome(task.text, edits, task.document.path, explanation=said)


def _region(task: Task) -> Range:
    if task.selection is None:
        return Range(0, len(task.text))
    place = around(definitions_in(task.text, task.language), task.selection)
    if place is not None and "\n" not in task.text[task.selection.start : task.selection.end].strip("\n"):
        return whole_lines(task.text, Range(place.start, place.end))
    return whole_lines(task.text, task.selection)


def _whole_sentences(text: str, *, is_whole: bool) -> str:
    if is_whole:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", text)]
    return text[: ends[-1]] if ends else text


def _comment(task: Task, region: Range, said: str) -> Edit:
    at = line_start(task.text, region.start)
    ind, mark = indentation_at(task.text, region.start), task.language.comment
    width = max(_COMMENT_COLUMNS - len(ind.expandtabs(4)) - 4, 20)
    lines = [part for line in said.split("\n") for part in (textwrap.wrap(line, width) or [""])]
    if isinstance(mark, str):
        written = [f"{ind}{mark} {line}".rstrip() for line in lines]
    else:
        first, last = mark
        # What would end the comment within it.
        inside = [line.replace(last, last[:-1] + " " + last[-1]) for line in lines]
        written = [f"{ind}{first} {inside[0]}", *(f"{ind}{line}".rstrip() for line in inside[1:])]
        written[-1] += f" {last}"
    return Edit(Range(at, at), "\n".join(written) + "\n")
