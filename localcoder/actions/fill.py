"""Bodies that are not written yet: `pass`, `...`, `raise NotImplementedError`, `todo!()`, or only a TODO."""

from __future__ import annotations

from localcoder.actions.asking import Ask, Changes, Outcome, Plan, Task
from localcoder.actions.holes import ends_of_response, hole_prompt, parses_as_well
from localcoder.actions.places import body_indentation, chosen, indentation_at, line_start
from localcoder.actions.watch import CodeWatch
from localcoder.code.definitions import DefinitionPlace, Hole, is_not_yet
from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range
from localcoder.errors import LocalcoderError

_MAX_TOKENS = 256


def fill(task: Task) -> Plan:
    """Write the bodies that are marked. Raises LocalcoderError (exit code 2) where none is."""
    if task.document.path is not None and task.document.path.suffix == ".pyi":
        raise LocalcoderError("A stub has no bodies.", "Choose the file with the code.", exit_code=2)
    places = chosen(task, lambda place: place.blank is not None)
    if not places:
        todo = "Mark one with TODO, `pass` or `...`."
        raise LocalcoderError("No body there is left to be written.", todo, exit_code=2)
    changes = Changes(task.text)
    notes: list[str] = []
    for place in places:
        assert place.blank is not None
        hole, opening = _hole(task, place, place.blank)
        answer = yield _ask(task, place, hole, opening, changes, tuple(notes))
        now, edit = changes.now, None
        for text in _shorter(answer.text, is_whole=answer.is_whole):
            made = Edit(hole, opening + text.lstrip())
            if parses_as_well(task, now, Changes(task.text, [*changes.edits, made]).now):
                edit = made
                break
        if edit is None or not answer.text.strip() or is_not_yet(edit.text.strip()):
            notes.append(f"The model wrote no body for `{place.name}` that fits.")
        else:
            changes.edits.append(edit)
    return changes.outcome(task.document.path, notes=tuple(notes))


def _hole(task: Task, place: DefinitionPlace, blank: Hole) -> tuple[Range, str]:
    """Where the body goes, and what goes before it: a new line, unless it begins one already."""
    whole = Range(blank.start, blank.end)
    if not task.text[line_start(task.text, blank.start) : blank.start].strip():
        return whole, ""
    if blank.start == blank.end:
        # Behind a comment.
        return whole, "\n" + indentation_at(task.text, blank.start)
    if task.language.by_indentation:
        return Range(place.head_end, blank.end), "\n" + body_indentation(task, place)
    return whole, ""


def _ask(
    task: Task, place: DefinitionPlace, hole: Range, opening: str, changes: Changes, notes: tuple[str, ...]
) -> Ask:
    now = changes.now
    start, end = changes.place(hole.start), changes.place(hole.end)
    before = now[:start] + opening
    document = Document(before + now[end:], len(before), task.document.path)
    about = Range(changes.place(place.start), changes.place(place.end) + len(document.text) - len(now))

    def so_far(text: str) -> Outcome:
        edits = [Edit(hole, opening + text)] if text.strip() else []
        return changes.outcome(task.document.path, *edits, notes=notes)

    return Ask(
        hole_prompt(task, document, about, f"Write the body of `{place.name}`."),
        lambda: CodeWatch(document, "block", *ends_of_response(task)),
        so_far,
        _MAX_TOKENS,
        f"the body of `{place.name}`",
    )


def _shorter(text: str, *, is_whole: bool) -> list[str]:
    """The text; of one that was broken off, also without its last line, its last two, …"""
    text = text.rstrip()
    if is_whole:
        return [text]
    lines = text.split("\n")
    return ["\n".join(lines[:count]).rstrip() for count in range(len(lines), 0, -1)]
