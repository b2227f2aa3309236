"""A file of tests: the source file stands before it in the repository's layout, and its imports are begun."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from localcoder.actions.asking import Ask, Outcome, Plan, Task
from localcoder.actions.chat import conversation, instruction
from localcoder.actions.holes import ends_of_response, parses_as_well
from localcoder.actions.places import around, line_of
from localcoder.actions.prompt import in_repository, repository_place
from localcoder.actions.watch import CodeWatch
from localcoder.code.definitions import DefinitionPlace, definitions_in
from localcoder.code.languages import Language, language_of
from localcoder.code.repository import root_of
from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range
from localcoder.errors import LocalcoderError

_MAX_TOKENS = 400
_SOURCE_ROOTS = ("src", "lib", "python")


@dataclass(frozen=True)
class _Source:
    """What is tested: `path` is the file's place in its repository, `names` what of it can be imported."""

    path: PurePath
    text: str
    names: tuple[str, ...]
    subject: str
    """The function or class that was chosen; "" for all of the file."""
    tests: PurePath
    """The test file's place in the repository."""


@dataclass(frozen=True)
class _Framework:
    """How a language's users test. `head` begins a new file, `case` a test; `appends`: tests can follow others.

    `closers` end the blocks that a text of tests may leave open.
    """

    name: str
    head: Callable[[_Source], str]
    case: Callable[[_Source], str]
    closers: tuple[str, ...] = ()
    appends: bool = True


def tests(task: Task) -> Plan:
    """Write tests of what is chosen into `test_path`. Raises LocalcoderError (exit code 2) where that is unknown."""
    path, test_path = task.document.path, task.test_path
    framework = _FRAMEWORKS.get(task.language.name)
    if framework is None:
        what = f"It is not known how {task.language.label} is tested."
        raise LocalcoderError(what, f"Languages: {', '.join(_FRAMEWORKS)}.", exit_code=2)
    if path is None or test_path is None:
        raise LocalcoderError("A text without a name cannot be imported.", "Save it first.", exit_code=2)
    if task.existing_tests.strip() and not framework.appends:
        raise LocalcoderError(f"There is a file {test_path.name} already.", "Name another one.", exit_code=2)
    source = _source(task, path, test_path)
    existing = task.existing_tests
    begun = _begun(framework, source, existing)
    shown = (source.path, _shortened(task)), (source.tests, existing + begun)
    prompt = in_repository(repository_place(path).repository, shown)
    if task.follows_instructions:
        fence = task.language.name
        what = f"Write unit tests with {framework.name} for " + (f"`{source.subject}`." if source.subject else "this.")
        prompt = conversation([instruction(what, _shortened(task), fence)], f"```{fence}\n{begun.lstrip()}")
    whole = existing + begun
    document = Document(whole, len(whole), test_path)

    def outcome(text: str, *notes: str) -> Outcome:
        edits = (Edit(Range(len(existing), len(existing)), begun + text),) if text else ()
        return Outcome(existing, edits, test_path, is_new=not existing, notes=notes)

    answer = yield Ask(
        prompt,
        lambda: CodeWatch(document, "free", *ends_of_response(task)),
        outcome,
        _MAX_TOKENS,
        f"tests in {test_path.name}",
    )
    on_tests = replace(task, language=language_of(test_path))
    for text in _endings(answer.text, ("", *framework.closers), is_whole=answer.is_whole):
        made = text.rstrip() + "\n"
        # More has to be there than the name of a test.
        if "\n" in text.strip() and parses_as_well(on_tests, existing, whole + made):
            return outcome(made)
    return outcome("", "The model wrote no tests that parse.")


def test_path_of(path: Path, language: Language) -> Path:
    """Where the language's users put the tests of a file, by the folders that are there."""
    root = root_of(path) or path.absolute().parent
    own = path.absolute().relative_to(root)
    match language.name:
        case "python":
            inner = own.parent.parts[own.parts[0] in _SOURCE_ROOTS :]
            folders = [root.joinpath("tests", *inner[1:]), root.joinpath("tests", *inner), root / "test"]
            folder = next((each for each in folders if each.is_dir()), root / "tests")
            return folder / f"test_{path.stem.strip('_')}.py"
        case "go":
            return path.with_name(f"{path.stem}_test.go")
        case "java":
            return root / own.as_posix().replace("src/main/", "src/test/").replace(".java", "Test.java")
        case "ruby":
            return root / "test" / f"test_{path.stem}.rb"
        case _:
            beside = path.parent / "__tests__"
            return (beside if beside.is_dir() else path.parent) / f"{path.stem}.test{path.suffix}"


def _source(task: Task, path: Path, test_path: Path) -> _Source:
    places = definitions_in(task.text, task.language)
    chosen = None if task.selection is None else around(places, task.selection)
    if task.selection is not None and chosen is None:
        what = f"There is no function or class in line {line_of(task.text, task.selection.start)}."
        raise LocalcoderError(what, "Name a line of one, or select it.", exit_code=2)
    outermost = [place for place in places if not any(_is_in(place, other) for other in places)]
    public = [place for place in outermost if not place.name.startswith("_")]
    if chosen is not None:
        public = [place for place in outermost if place == chosen or _is_in(chosen, place)]
    if not public:
        raise LocalcoderError(f"{path.name} defines nothing to test.", "Name another file.", exit_code=2)
    root = root_of(path) or path.absolute().parent
    own, tests_own = path.absolute(), test_path.absolute()
    return _Source(
        path=_from(own, root),
        text=task.text,
        names=tuple(dict.fromkeys(place.name for place in public)),
        subject=chosen.name if chosen is not None else "",
        tests=_from(tests_own, root),
    )


def _is_in(inner: DefinitionPlace, outer: DefinitionPlace) -> bool:
    return inner != outer and outer.start <= inner.start and inner.end <= outer.end


def _from(path: Path, root: Path) -> PurePath:
    return path.relative_to(root) if path.is_relative_to(root) else PurePath(path.name)


def _begun(framework: _Framework, source: _Source, existing: str) -> str:
    """What stands in front of what the model writes, behind the tests that there are."""
    if not existing.strip():
        return framework.head(source) + framework.case(source)
    missing = [name for name in source.names if not re.search(rf"\b{re.escape(name)}\b", existing)]
    gap = "\n" * max(0, 3 - (len(existing) - len(existing.rstrip("\n"))))
    imported = _python_import(source, missing) + "\n\n\n" if missing and framework.name == "pytest" else ""
    return gap + imported + framework.case(source)


def _shortened(task: Task) -> str:
    """The source, of a long one what is chosen and the lines before it."""
    text = task.text
    if len(text) <= task.prompt_characters or task.selection is None:
        return text[: task.prompt_characters]
    end = text.find("\n", min(task.selection.start + task.prompt_characters // 2, len(text)))
    end = len(text) if end < 0 else end
    start = text.find("\n", max(end - task.prompt_characters, 0)) + 1
    return text[start:end]


def _endings(text: str, closers: tuple[str, ...], *, is_whole: bool) -> list[str]:
    """The text as it is; then shorter and shorter, with what ends the blocks that are open."""
    lines = text.rstrip().split("\n")
    first = [text.rstrip() + closer for closer in closers] if is_whole else []
    # Where a line begins at the left margin, something is complete above it.
    complete = [count for count in range(len(lines) - 1, 0, -1) if not lines[count - 1].strip()]
    return (
        first
        + ["\n".join(lines[:count]).rstrip() + closer for count in complete for closer in closers]
        + ["\n".join(lines[:count]) + closer for count in range(len(lines), 0, -1) for closer in closers]
    )


def _module(path: PurePath) -> str:
    """Of Python: the name by which it is imported."""
    parts = [*path.parts[:-1], path.stem]
    parts = parts[parts[0] in _SOURCE_ROOTS and len(parts) > 1 :]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _python_import(source: _Source, names: list[str]) -> str:
    line = f"from {_module(source.path)} import {', '.join(names)}"
    if len(line) <= 88:
        return line
    return f"from {_module(source.path)} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).strip("_").lower()


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _relative(source: _Source) -> str:
    """How the test file names the source: `./name`, `../name`."""
    ups, own = len(source.tests.parts) - 1, source.path.with_suffix("")
    common = 0
    while common < min(ups, len(own.parts) - 1) and source.tests.parts[common] == own.parts[common]:
        common += 1
    up = "../" * (ups - common)
    return (up or "./") + "/".join(own.parts[common:])


def _javascript_head(source: _Source) -> str:
    names = ", ".join(source.names)
    if re.search(r"\bmodule\.exports\b|^exports\.", source.text, re.MULTILINE):
        return f'const {{ {names} }} = require("{_relative(source)}");\n\n'
    return f'import {{ {names} }} from "{_relative(source)}";\n\n'


def _java_head(source: _Source) -> str:
    package = re.search(r"^package\s+[\w.]+;", source.text, re.MULTILINE)
    head = f"{package[0]}\n\n" if package else ""
    imports = "import org.junit.jupiter.api.Test;\n\nimport static org.junit.jupiter.api.Assertions.*;\n\n"
    return f"{head}{imports}class {source.tests.stem} {{\n"


def _go_head(source: _Source) -> str:
    package = re.search(r"^package\s+\w+", source.text, re.MULTILINE)
    return (package[0] if package else "package main") + '\n\nimport "testing"\n\n'


def _ruby_head(source: _Source) -> str:
    return f'require "minitest/autorun"\nrequire_relative "{_relative(source)}"\n\n'


def _describe(source: _Source) -> str:
    return f'describe("{source.subject or source.path.stem}", () => {{\n  it("'


_JAVASCRIPT = _Framework("Jest", _javascript_head, _describe, ("\n});", "\n  });\n});"))
_FRAMEWORKS = {
    "python": _Framework(
        "pytest", lambda source: f"import pytest\n\n{_python_import(source, list(source.names))}\n\n\n",
        lambda source: f"def test_{_snake(source.subject)}",
    ),
    "javascript": _JAVASCRIPT, "typescript": _JAVASCRIPT, "tsx": _JAVASCRIPT,
    "go": _Framework(
        "testing", _go_head,
        lambda source: f"func Test{_capital(source.subject or source.names[0])}", ("\n}",),
    ),
    "java": _Framework(
        "JUnit", _java_head, lambda source: "\n    @Test\n    void ", ("\n}", "\n    }\n}"), appends=False,
    ),
    "ruby": _Framework(
        "Minitest", _ruby_head,
        lambda source: f"class Test{_capital(source.subject or source.names[0])} < Minitest::Test\n  def test_",
        ("\nend", "\n  end\nend"),
    ),
}  # fmt: skip
