"""Types that functions lack: of parameters, and of what they return; Python and TypeScript."""

from __future__ import annotations

import ast
import builtins
import re

from localcoder.actions.asking import Ask, Changes, Outcome, Plan, Task
from localcoder.actions.holes import ends_of_response, hole_prompt, parses_as_well
from localcoder.actions.places import chosen, line_end
from localcoder.actions.watch import Watch, type_ends
from localcoder.code.definitions import DefinitionPlace, TypeHole
from localcoder.code.outline import outline
from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range
from localcoder.errors import LocalcoderError

_MAX_TOKENS = 32
_KNOWN = {
    "collections.abc": (
        "AsyncGenerator", "AsyncIterable", "AsyncIterator", "Awaitable", "Callable", "Collection", "Coroutine",
        "Generator", "Hashable", "ItemsView", "Iterable", "Iterator", "KeysView", "Mapping", "MutableMapping",
        "MutableSequence", "MutableSet", "Sequence", "Sized", "ValuesView",
    ),
    "typing": (
        "IO", "Any", "AnyStr", "BinaryIO", "Dict", "FrozenSet", "List", "Literal", "NoReturn", "Optional", "Pattern",
        "Set", "TextIO", "Tuple", "Type", "Union",
    ),
    "pathlib": ("Path", "PurePath"),
}  # fmt: skip
"""Where the names are that types are made of."""
_LANGUAGES = ("python", "typescript", "tsx")
_PARTS = (
    ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple, ast.List,
    ast.Load,
)  # fmt: skip


def type_hints(task: Task) -> Plan:
    """Write the types that what is chosen lacks. Raises LocalcoderError (exit code 2) where none is missing."""
    if task.language.name not in _LANGUAGES:
        what = f"Types cannot be added to {task.language.label}."
        raise LocalcoderError(what, "They can to Python and TypeScript.", exit_code=2)
    places = [place for place in chosen(task, lambda place: bool(place.types)) if place.kind == "function"]
    if not places:
        raise LocalcoderError("No type is missing there.", "Choose a function that lacks some.", exit_code=2)
    changes = Changes(task.text)
    notes: list[str] = []
    names = _Names(task.text, task) if task.language.name == "python" else None
    holes = sorted(
        ((hole, place) for place in places for hole in place.types), key=lambda item: (item[0].start, item[0].end)
    )
    for hole, place in holes:
        said = hole.sure
        if not said:
            said = (yield _ask(task, place, hole, changes, tuple(notes))).text.strip()
        edit = _edit(hole, said)
        after = Changes(task.text, [*changes.edits, edit]).now
        if not said or (names is not None and not _is_type(said)) or not parses_as_well(task, changes.now, after):
            notes.append(f"No type was found for {_called(task.text, hole, place)}.")
        elif names is not None and (unknown := names.unknown_in(said)):
            notes.append(f"`{unknown}` is not defined here: no type for {_called(task.text, hole, place)}.")
        else:
            changes.edits.append(edit)
    imports = names.imports() if names is not None and changes.edits else []
    return changes.outcome(task.document.path, *imports, notes=tuple(notes))


def _ask(task: Task, place: DefinitionPlace, hole: TypeHole, changes: Changes, notes: tuple[str, ...]) -> Ask:
    now = changes.now
    start, end = changes.place(hole.start), changes.place(hole.end)
    before = now[:start] + hole.before
    document = Document(before + hole.after + now[end:], len(before), task.document.path)
    about = Range(changes.place(place.start), changes.place(place.end) + len(document.text) - len(now))

    def so_far(text: str) -> Outcome:
        return changes.outcome(task.document.path, *([_edit(hole, text.strip())] if text.strip() else []), notes=notes)

    return Ask(
        hole_prompt(task, document, about, f"Add type hints to `{place.name}`."),
        lambda: Watch(type_ends, *ends_of_response(task)),
        so_far,
        _MAX_TOKENS,
        f"the type of {_called(task.text, hole, place)}",
    )


def _edit(hole: TypeHole, said: str) -> Edit:
    return Edit(Range(hole.start, hole.end), hole.before + said + hole.after)


def _called(text: str, hole: TypeHole, place: DefinitionPlace) -> str:
    name = re.search(r"(\w+)\??$", text[: hole.start])
    return f"`{name[1]}` of `{place.name}`" if name else f"what `{place.name}` returns"


def _is_type(text: str) -> bool:
    """Whether Python could take it for a type: names, subscripts, `|`, and what stands in them."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if isinstance(tree.body, (ast.Tuple, ast.List)):
        return False
    if isinstance(tree.body, ast.Constant) and not isinstance(tree.body.value, (str, type(None))):
        return False
    return all(isinstance(node, _PARTS) for node in ast.walk(tree))


class _Names:
    """The names that a file of Python knows, and those that a type may bring along."""

    def __init__(self, text: str, task: Task) -> None:
        self._text = text
        found = outline(text, task.language)
        self._known = {definition.name for definition in found.definitions if not definition.container}
        self._known |= {each.alias or each.name for each in found.imports} | set(dir(builtins))
        # A type parameter of the function or the class, `def f[T]`.
        self._known |= set(re.findall(r"(?<=[\[,\s])(\w+)(?=[^\[\]()]*\]\s*[(:])", text))
        self._has_stars = any(each.name == "*" for each in found.imports)
        self._lines = [each.line for each in found.imports]
        self._new: dict[str, set[str]] = {}

    def unknown_in(self, said: str) -> str:
        """The first name in a type that nothing defines; "" where all are, or can be imported, which is noted."""
        wanted = [node.id for node in ast.walk(ast.parse(said, mode="eval")) if isinstance(node, ast.Name)]
        missing = [name for name in wanted if name not in self._known and not self._has_stars]
        sources = {name: module for module, names in _KNOWN.items() for name in names}
        if unknown := [name for name in missing if name not in sources]:
            return unknown[0]
        for name in missing:
            self._new.setdefault(sources[name], set()).add(name)
        return ""

    def imports(self) -> list[Edit]:
        """The lines that import what is new, behind the imports that begin the file."""
        if not self._new:
            return []
        written = "".join(
            f"from {module} import {', '.join(sorted(names))}\n" for module, names in sorted(self._new.items())
        )
        at = self._place()
        is_line_start = at == 0 or self._text[at - 1] == "\n"
        return [Edit(Range(at, at), written if is_line_start else "\n" + written.rstrip("\n"))]

    def _place(self) -> int:
        """Behind the last import at the left margin that stands before any definition, else behind the docstring."""
        try:
            body = ast.parse(self._text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            body = []
        last = 0
        for statement in body:
            is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not (isinstance(statement, (ast.Import, ast.ImportFrom)) or (is_docstring and not last)):
                break
            last = statement.end_lineno or last
        at = 0
        for _ in range(last):
            at = line_end(self._text, at) + 1
        return min(at, len(self._text))
