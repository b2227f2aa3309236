"""What a file needs from elsewhere: of the names that it imports or uses and does not define, what they are.

Python and JavaScript say where a name comes from, and that is followed, into the repository and into what is installed.
In other languages a name is looked for in the index; it is taken when there is one definition that it can mean.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcoder.code.ignored import is_ignored_file
from localcoder.code.imports import Import
from localcoder.code.languages import Language, language_of
from localcoder.code.outline import Definition, Outline, outline
from localcoder.code.uses import Use, Uses, uses
from localcoder.repository.environment import python_environment
from localcoder.repository.index import Index
from localcoder.repository.javascript_modules import JavascriptModules
from localcoder.repository.modules import Found, Modules, follow, outline_of
from localcoder.repository.python_modules import PythonModules

_JAVASCRIPT = ("javascript", "typescript", "tsx")
_GIVEN = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__path__", "__all__", "reveal_type"}
"""Names that Python knows without an import."""
_MOST_MEMBERS = 12


@dataclass(frozen=True)
class Need:
    """`use` as it is written in `line`; `why` says how it was found.

    `members` are those of a class that the file asks for, and how one is made.
    """

    use: str
    line: int
    found: Found
    definition: Definition
    members: tuple[Definition, ...]
    why: str


@dataclass(frozen=True)
class Missing:
    """What was not found, and why."""

    use: str
    line: int
    why: str


@dataclass(frozen=True)
class Needs:
    """In the order in which the file uses them; `environment` says where libraries were looked for."""

    needs: tuple[Need, ...] = ()
    missing: tuple[Missing, ...] = ()
    environment: str = ""


def needs_of(path: Path, text: str, root: Path, index: Index | None = None) -> Needs:
    """What the file at `path`, which holds `text`, needs; `index` is asked where imports do not say. Only reads."""
    path, root = path.absolute(), root.absolute()
    language = language_of(path, text.partition("\n")[0])
    found, used = outline(text, language), uses(text, language)
    if language.name == "python":
        environment = python_environment(path, root)
        modules = PythonModules(root, environment)
        answers = _without_ignored(_followed(path, found, used, modules, modules), root)
        return _collected(answers, used, environment.why)
    if language.name in _JAVASCRIPT:
        answers = _without_ignored(_followed(path, found, used, JavascriptModules(root), None), root)
        return _collected(answers, used, "node_modules")
    answers = _looked_up(path, language, found, used, root, index) if index is not None else iter(())
    return _collected(answers, used, "")


def needs_index(path: Path, text: str) -> bool:
    """Whether `needs_of` asks the index."""
    language = language_of(path, text.partition("\n")[0])
    return language.name != "python" and language.name not in _JAVASCRIPT


_Answer = tuple[Use, Found | None, str]


def _followed(path: Path, own: Outline, used: Uses, modules: Modules, stars: PythonModules | None) -> Iterator[_Answer]:
    """(use, what it is, how it was found or why not)."""
    imports: dict[str, list[Import]] = {}
    for each in own.imports:
        # In JavaScript what is handed on has no name here.
        if each.module and (stars is not None or not each.is_export):
            imports.setdefault(each.alias, []).append(each)
    defined = {each.name for each in own.definitions if not each.container} | used.bound
    has_stars = any(each.name == "*" for each in own.imports)
    for use in used.uses:
        name, *rest = use.chain
        if name in imports:
            answer = _by_import(path, use, imports[name], modules)
            # A variable may have the name of what is imported.
            if answer[1] is not None or name not in defined:
                yield answer
        elif stars is not None and name not in defined and name not in _GIVEN:
            found = stars.given(path, own.imports, name) if has_stars else None
            reached = follow(modules, found, rest)[0]
            yield use, reached, "by an import of *" if reached else "not imported, not defined"
    # What was imported and is not used yet is likely to be what is written next.
    begun = {use.chain[0] for use in used.uses}
    for name, there in imports.items():
        if name and name != "*" and name not in begun and name not in defined:
            yield _by_import(path, Use((name,), there[0].line), there, modules)


def _without_ignored(answers: Iterator[_Answer], root: Path) -> Iterator[_Answer]:
    """What git ignores of the repository is for nobody to see, as it is not in the index either; libraries are."""
    known: dict[Path, bool] = {}
    for use, found, why in answers:
        if found is not None and found.origin == "repository" and found.path.is_relative_to(root):
            if found.path not in known:
                known[found.path] = is_ignored_file(root, found.path.relative_to(root).as_posix())
            if known[found.path]:
                yield use, None, f"git ignores {found.name}"
                continue
        yield use, found, why


def _by_import(path: Path, use: Use, imports: list[Import], modules: Modules) -> _Answer:
    why = ""
    for each in imports:
        found = modules.imported(path, each)
        if found is None:
            no_name = f", or has no {each.name}" if each.name else ""
            why = why or f"{each.module} is not found{no_name}"
            continue
        reached, count = follow(modules, found, use.chain[1:])
        if reached is not None and reached.definition is None and count < len(use.chain) - 1:
            why = f"{reached.name} has no {use.chain[count + 1]}"
            continue
        return use, reached, f"imported in line {each.line}" + (f" from {each.module}" if each.module else "")
    return use, None, why


def _looked_up(path: Path, language: Language, own: Outline, used: Uses, root: Path, index: Index) -> Iterator[_Answer]:
    defined = {each.name for each in own.definitions} | used.bound
    imported = " ".join(each.module for each in own.imports)
    here = path.relative_to(root).parent if path.is_relative_to(root) else Path()
    seen: set[str] = set()
    for use in used.uses:
        for name in use.chain:
            if name in defined or name in seen or len(name) < 3:
                continue
            seen.add(name)
            found = [
                each
                for each in index.definitions(name)
                if each.definition.kind not in ("field", "module") and language_of(Path(each.path)) == language
            ]
            near = [each for each in found if Path(each.path.parent) == here]
            named = [each for each in found if each.path.stem in imported or each.path.parent.name in imported]
            chosen = found if len(found) == 1 else near if len(near) == 1 else named if len(named) == 1 else []
            why = "in the same folder" if near else "in what is imported" if named else "the only one of that name"
            if chosen:
                place = chosen[0]
                what = Found(root / place.path, place.definition, "repository", place.path.as_posix())
                yield Use((name,), use.line), what, why
            elif found:
                yield Use((name,), use.line), None, f"{len(found)} things have that name"


def _collected(answers: Iterator[_Answer], used: Uses, environment: str) -> Needs:
    """Each definition once, by its first use."""
    needs: dict[tuple[Path, str], Need] = {}
    missing: list[Missing] = []
    for use, found, why in answers:
        name = ".".join(use.chain)
        if found is None:
            missing.append(Missing(name, use.line, why))
        elif found.definition is not None:
            key = found.path, found.definition.qualified_name
            if key not in needs:
                members = _members(found, found.definition, used)
                needs[key] = Need(name, use.line, found, found.definition, members, why)
    return Needs(tuple(needs.values()), tuple(missing), environment)


def _members(found: Found, definition: Definition, used: Uses) -> tuple[Definition, ...]:
    if definition.kind != "class":
        return ()
    names: Mapping[str, Definition] = {
        each.name: each
        for each in reversed(outline_of(found.path).definitions)
        if each.container == definition.qualified_name
        and (each.name in used.members or each.name in ("__init__", "constructor"))
    }
    return tuple(sorted(names.values(), key=lambda each: each.line)[:_MOST_MEMBERS])
