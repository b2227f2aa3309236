"""Documentation of functions and classes: a docstring in Python, elsewhere the comment that stands before them."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from localcoder.actions.asking import Ask, Changes, Outcome, Plan, Task
from localcoder.actions.holes import ends_of_response, hole_prompt, parses_as_well
from localcoder.actions.places import body_indentation, chosen, indentation_at, line_end, line_start
from localcoder.actions.watch import Answer, Rule, Watch, until, within_comment
from localcoder.code.definitions import DefinitionPlace
from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range
from localcoder.errors import LocalcoderError

_MAX_TOKENS = 160
"""Chosen: a summary, a paragraph, and a line for each of some parameters."""
_QUOTES = '"""'


@dataclass(frozen=True)
class _Comment:
    """How documentation is written before a definition: a first line, what each line begins with, a last line."""

    first: str
    each: str
    last: str


_BLOCK, _SLASHES = _Comment("/**", " * ", " */"), _Comment("", "/// ", "")
_COMMENTS = {
    "javascript": _BLOCK, "typescript": _BLOCK, "tsx": _BLOCK, "java": _BLOCK, "kotlin": _BLOCK, "php": _BLOCK,
    "c": _BLOCK, "cpp": _BLOCK, "rust": _SLASHES, "swift": _SLASHES, "csharp": _SLASHES, "go": _Comment("", "// ", ""),
    "ruby": _Comment("", "# ", ""), "lua": _Comment("", "--- ", ""), "shell": _Comment("", "# ", ""),
}  # fmt: skip


def docstring(task: Task) -> Plan:
    """Document what is chosen and has no documentation. Raises LocalcoderError (exit code 2) for nothing to do."""
    comment = _COMMENTS.get(task.language.name)
    if task.language.name != "python" and comment is None:
        what = f"It is not known how {task.language.label} is documented."
        raise LocalcoderError(what, f"Languages: python, {', '.join(_COMMENTS)}.", exit_code=2)
    places = chosen(task, lambda place: not place.is_documented)
    if not places:
        raise LocalcoderError("What is chosen is documented already.", "Delete the text first, or fix it.", exit_code=2)
    changes, notes = Changes(task.text), []
    for place in places:
        hole = _python_hole(task, place) if comment is None else _comment_hole(task, place, comment)
        if hole is None:
            notes.append(f"`{place.name}` does not begin its line: left out.")
            continue
        edit, ended_whole = yield from _ask(task, place, hole, changes, notes)
        if edit is None:
            notes.append(f"The model had nothing fitting to say of `{place.name}`.")
        elif not parses_as_well(task, changes.now, Changes(task.text, [*changes.edits, edit]).now):
            notes.append(f"What the model wrote of `{place.name}` would break the code: left out.")
        else:
            changes.edits.append(edit)
            if not ended_whole:
                notes.append(f"The text of `{place.name}` was cut at its last sentence.")
    return changes.outcome(task.document.path, notes=tuple(notes))


@dataclass(frozen=True)
class _Hole:
    """Where documentation goes: the edit is `opening`, what was made of the text, and `closing`, at `range`."""

    range: Range
    opening: str
    closing: str
    indentation: str
    ends: Rule
    comment: _Comment | None = None

    def edit(self, text: str, *, is_whole: bool) -> Edit | None:
        """None where there is nothing to say."""
        lines = _sentences(text, is_whole)
        if not any(re.search(r"\w", line) for line in lines):
            return None
        return Edit(self.range, self._python(lines) if self.comment is None else self._comment(lines, self.comment))

    def _python(self, lines: list[str]) -> str:
        ind = self.indentation
        kept = [lines[0].strip(), *(_at_least(line, ind) for line in lines[1:])]
        text = "\n".join(kept).rstrip().rstrip("\\").rstrip()
        own_line = "\n" in text or text.endswith('"')
        raw = "r" if "\\" in text else ""
        opening = self.opening.removesuffix(_QUOTES)
        return opening + raw + _QUOTES + text + (f"\n{ind}" if own_line else "") + self.closing

    def _comment(self, lines: list[str], comment: _Comment) -> str:
        each = comment.each.strip()
        bare = [re.sub(rf"^\s*(?:{re.escape(each)}|\*(?!/))? ?", "", line).rstrip() for line in lines[1:]]
        kept = [lines[0].strip(), *bare]
        while kept and not kept[-1]:
            kept.pop()
        first = self.opening.rpartition("\n")[2].removeprefix(self.indentation).removeprefix(comment.each)
        kept[0] = first + kept[0]
        written = "\n".join(f"{self.indentation}{comment.each}{line}".rstrip() for line in kept)
        head = f"{self.indentation}{comment.first}\n" if comment.first else ""
        return head + written + self.closing


def _ask(
    task: Task, place: DefinitionPlace, hole: _Hole, changes: Changes, notes: list[str]
) -> Generator[Ask, Answer, tuple[Edit | None, bool]]:
    now = changes.now
    start, end = changes.place(hole.range.start), changes.place(hole.range.end)
    before = now[:start] + hole.opening
    document = Document(before + hole.closing + now[end:], len(before), task.document.path)
    about = Range(min(changes.place(place.start), start), changes.place(place.end) + len(document.text) - len(now))

    def so_far(text: str) -> Outcome:
        edit = hole.edit(text, is_whole=True)
        return changes.outcome(task.document.path, *([edit] if edit else []), notes=tuple(notes))

    what = "docstring" if hole.comment is None else "documentation comment"
    answer = yield Ask(
        hole_prompt(
            task, document, about, f"Write the {what} of the {place.kind} `{place.name}`: what it does, in plain words."
        ),
        lambda: Watch(hole.ends, *ends_of_response(task)),
        so_far,
        _MAX_TOKENS,
        f"the {what} of `{place.name}`",
    )
    return hole.edit(answer.text, is_whole=answer.is_whole), answer.is_whole


def _python_hole(task: Task, place: DefinitionPlace) -> _Hole:
    text, ind = task.text, body_indentation(task, place)
    body = place.body
    opening = f"\n{ind}{_QUOTES}"
    if body is not None and body.end > body.start and "\n" not in text[place.head_end : body.start]:
        # `def f(): return 1`: the body goes to a line of its own.
        return _Hole(Range(place.head_end, body.start), opening, f"{_QUOTES}\n{ind}", ind, until(_QUOTES))
    end = line_end(text, place.head_end)
    return _Hole(Range(end, end), opening, _QUOTES, ind, until(_QUOTES))


def _comment_hole(task: Task, place: DefinitionPlace, comment: _Comment) -> _Hole | None:
    start = line_start(task.text, place.start)
    if task.text[start : place.start].strip():
        return None
    ind = indentation_at(task.text, place.start)
    # What Go's users expect a comment to begin with.
    begun = f"{place.name} " if task.language.name == "go" else ""
    opening = (f"{ind}{comment.first}\n" if comment.first else "") + ind + comment.each + begun
    closing = (f"\n{ind}{comment.last}" if comment.last else "") + "\n"
    ends = until("*/") if comment.last else within_comment(comment.each.strip())
    return _Hole(Range(start, start), opening, closing, ind, ends, comment)


def _sentences(text: str, is_whole: bool) -> list[str]:
    """The lines of the text, of one that was broken off those up to the last sentence's end."""
    if not is_whole:
        ends = [match.end() for match in re.finditer(r"[.!?](?=\s|$)|\n(?=\s*\n)", text)]
        text = text[: ends[-1]] if ends else text.rpartition("\n")[0] or text
    lines = [line.rstrip() for line in text.strip().split("\n")]
    return lines


def _at_least(line: str, indentation: str) -> str:
    if not line.strip() or line.startswith(indentation):
        return line
    return indentation + line.lstrip()
