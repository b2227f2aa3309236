"""What an action is about: the functions and classes that are selected, or around the cursor."""

from __future__ import annotations

from collections.abc import Callable

from localcoder.actions.asking import Task
from localcoder.code.definitions import DefinitionPlace, definitions_in
from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError


def chosen(task: Task, is_wanted: Callable[[DefinitionPlace], bool]) -> tuple[DefinitionPlace, ...]:
    """Those that begin in the selection, or else the innermost around it; all of them when nothing is selected.

    Those that are not wanted are left out where there are several. Raises LocalcoderError (exit code 2) for none.
    """
    places = definitions_in(task.text, task.language)
    if task.selection is not None:
        selected = task.selection
        within = [place for place in places if selected.start <= place.start < max(selected.end, selected.start + 1)]
        places = tuple(within) or tuple(filter(None, [around(places, selected)]))
    if not places:
        where = "this text" if task.selection is None else f"line {line_of(task.text, task.selection.start)}"
        todo = "Name a line of one, or select it."
        raise LocalcoderError(f"There is no function or class in {where}.", todo, exit_code=2)
    return tuple(place for place in places if is_wanted(place))


def around(places: tuple[DefinitionPlace, ...], selected: Range) -> DefinitionPlace | None:
    """The innermost definition that the selection begins in, or on whose lines it does."""
    found = [place for place in places if place.start <= selected.start < place.end]
    if not found:
        found = [place for place in places if selected.start <= place.start < selected.end]
    return max(found, key=lambda place: place.start, default=None)


def line_of(text: str, offset: int) -> int:
    """Counted from 1."""
    return text.count("\n", 0, offset) + 1


def line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Before the line's newline."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def indentation_at(text: str, offset: int) -> str:
    """The white space that the offset's line begins with."""
    line = text[line_start(text, offset) : line_end(text, offset)]
    return line[: len(line) - len(line.lstrip(" \t"))]


def step_of(text: str, default: str) -> str:
    """What one level is indented by in the text: a tab, or the fewest spaces that a line begins with."""
    steps = {line[: len(line) - len(line.lstrip(" \t"))] for line in text.split("\n") if line.strip()} - {""}
    if any(step.startswith("\t") for step in steps):
        return "\t"
    return min((step for step in steps if len(step) > 1), key=len, default=default or "    ")


def body_indentation(task: Task, place: DefinitionPlace) -> str:
    """That of the lines of its body, whether there are any or not."""
    text, body = task.text, place.body
    if body is not None and body.end > body.start and "\n" in text[place.head_end : body.start]:
        return indentation_at(text, body.start)
    head = line_start(text, place.head_end)
    # A head of several lines ends less deep than they are, and as deep as it began.
    own = min((indentation_at(text, place.start), indentation_at(text, head)), key=len)
    return own + step_of(text, task.language.step)


def whole_lines(text: str, selected: Range) -> Range:
    """The lines that it touches, without the last one's newline; a line that it only ends before does not count."""
    end = selected.end
    if end > selected.start and text[end - 1 : end] == "\n":
        end -= 1
    return Range(line_start(text, selected.start), max(line_end(text, end), line_start(text, selected.start)))
