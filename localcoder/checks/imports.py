"""Imports of what neither the standard library, nor the project, nor its environment has.

Files are looked at; nothing is imported or executed. For Python, JavaScript and TypeScript: where modules of other
languages are is not said by files alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tree_sitter import Node

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.code.imports import Import
from localcoder.code.outline import import_statements
from localcoder.code.ranges import Range
from localcoder.repository.environment import PythonEnvironment, python_environment
from localcoder.repository.javascript_modules import JavascriptModules
from localcoder.repository.modules import Found
from localcoder.repository.python_modules import PythonModules

_JAVASCRIPT = ("javascript", "typescript", "tsx")
_NODE = frozenset((
    "assert", "assert/strict", "async_hooks", "buffer", "child_process", "cluster", "console", "constants",
    "crypto", "dgram", "diagnostics_channel", "dns", "dns/promises", "domain", "events", "fs", "fs/promises",
    "http", "http2", "https", "inspector", "inspector/promises", "module", "net", "os", "path", "path/posix",
    "path/win32", "perf_hooks", "process", "punycode", "querystring", "readline", "readline/promises", "repl",
    "stream", "stream/consumers", "stream/promises", "stream/web", "string_decoder", "sys", "timers",
    "timers/promises", "tls", "trace_events", "tty", "url", "util", "util/types", "v8", "vm", "wasi",
    "worker_threads", "zlib",
))  # fmt: skip
"""https://nodejs.org/api/module.html#modulebuiltinmodules; newer ones are asked for as `node:sqlite` only."""
_DECLARED = (
    "pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "environment.yaml", "requirements*.txt",
    "requirements*.in", "requirements/*.txt", "requirements/*.in",
)  # fmt: skip
"""Files in which a project says what it needs, installed here or not."""
_PACKAGES = ("package.json", "deno.json", "deno.jsonc", "import_map.json")
_CONDITIONAL = re.compile(r"\bTYPE_CHECKING\b|\bsys\.|\bplatform\b|\bversion|\bHAS_|_AVAILABLE\b|available\(")
_IMPORTS = re.compile(r"\b(?:import|from|require)\b")
_CATCHES = re.compile(r"\b(?:ImportError|ModuleNotFoundError|Exception)\b|\bexcept\s*:|\bcatch\b")
_DYNAMIC = re.compile(r"\b__getattr__\b|\bsys\.modules\b|\bglobals\(\)|\b__path__\b|\bexec\(|\blazy|\bsetattr\(")
"""A module whose names are not only those that are written in it."""
_OTHERS_NAME = re.compile(r"@/|[~#]|\w+:|.*[!?]|[\w@][^/]*[A-Z]|@[^/]*/[^/]*[A-Z]")
"""What only a bundler or another runtime can resolve: `@/a`, `virtual:a`, `a.svg?url`, or `@theme/Layout`: no package's
name has capitals."""


def find(change: Change) -> Iterator[Finding]:
    is_python = change.language.name == "python"
    if not is_python and change.language.name not in _JAVASCRIPT:
        return
    lines = change.new_lines
    if change.path is None or change.root is None or not _IMPORTS.search(change.after, lines.start, lines.end):
        return
    around = change.around
    if around is None:
        return
    path, root = change.path.absolute(), change.root
    modules = _Python(path, root) if is_python else _Javascript(path, root)
    tree = around.fit(change.text).tree
    for node, imports in import_statements(tree.root_node, change.data, change.language, *change.new_bytes):
        if node.has_error or _is_conditional(node, change.data):
            continue
        said = set()
        for each in imports:
            missing = modules.missing(each) if each.module else None
            if missing is None or missing in said or _is_used_elsewhere(change, each):
                continue
            said.add(missing)
            what, name = missing
            if change.touches(where := _place_of(change, node, name)):
                yield change.finding("imports", where, what, modules.why)


def _place_of(change: Change, node: Node, name: str) -> Range:
    whole = change.range_of(node)
    places = [*re.finditer(rf"(?<![\w.]){re.escape(name)}(?!\w)", change.after[whole.start : whole.end])]
    return Range(whole.start + places[-1].start(), whole.start + places[-1].end()) if places else whole


def _is_conditional(node: Node, data: bytes) -> bool:
    """Whether somebody may mean it not to be there."""
    outer = node.parent
    while outer is not None:
        if outer.type == "try_statement" and _CATCHES.search(_text(outer, data)):
            return True
        if outer.type in ("if_statement", "elif_clause"):
            condition = outer.child_by_field_name("condition")
            if condition is not None and _CONDITIONAL.search(_text(condition, data)):
                return True
        outer = outer.parent
    return False


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _is_used_elsewhere(change: Change, each: Import) -> bool:
    """Whether the file before, or another one of the project, imports it too."""
    module = re.escape(each.module)
    pattern = re.compile(rf"\b(?:import|from)\s+{module}\b|[\"']{module}[\"']")
    if pattern.search(change.before) and (not each.name or change.is_in_before(each.name)):
        return True
    if change.index is None or each.module.startswith("."):
        return False
    named = re.compile(rf"(?<!\w){re.escape(each.name)}(?!\w)" if each.name.isidentifier() else "")
    found = change.index.search(f"{each.module} {each.name}", limit=8)
    others = [piece.piece.text for piece in found if piece.path != change.path_in_index]
    return any(pattern.search(text) and named.search(text) for text in others)


_Missing = tuple[str, str]
"""What is to be said, and of which name."""


def _no_module(each: Import) -> _Missing:
    return f"There is no module `{each.module}`", each.module


class _Python:
    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._environment = python_environment(path, root)
        self._modules = PythonModules(root, self._environment)
        self.why = (
            f"Neither the standard library, nor the project, nor its environment ({self._environment.why}) has it."
        )

    def missing(self, each: Import) -> _Missing | None:
        if not self._environment.standard_library and not each.module.startswith("."):
            return None
        module = self._module(each.module)
        if module is None:
            return None if self._is_known(each.module) else _no_module(each)
        if not each.name or each.name == "*" or self._modules.imported(self._path, each) is not None:
            return None
        is_known = self._is_known(f"{each.module.rstrip('.')}.{each.name}") or _may_have(module, each.name)
        return None if is_known else (f"`{each.module}` has no `{each.name}`", each.name)

    def _module(self, name: str) -> Found | None:
        return self._modules.imported(self._path, Import(name, "", name, 0))

    def _is_known(self, name: str) -> bool:
        """Whether it is there in another way than as a file of Python, or may be."""
        if name.startswith("."):
            return _is_compiled(self._path.parent, name.lstrip("."))
        top, _, below = name.partition(".")
        if self._module(top) is None:
            is_known = top in sys.stdlib_module_names or _is_declared(top, self._root)
            return is_known or any(_is_compiled(folder, top) for folder in _folders(self._environment))
        above, last = name.rpartition(".")[::2]
        parent = self._module(above) if below else None
        if parent is None:
            return bool(below) and self._is_known(above)
        return (
            _is_dynamic(parent)
            or self._modules.member(parent, last) is not None
            or _is_compiled(parent.path if parent.path.is_dir() else parent.path.parent, last)
        )


def _folders(environment: PythonEnvironment) -> Iterator[Path]:
    for folder in environment.standard_library:
        yield from (folder, folder / "lib-dynload")
    yield from environment.libraries


def _is_compiled(folder: Path, name: str) -> bool:
    """Whether a module, or a part of it, is written in another language, or is mapped to a folder elsewhere."""
    first = name.partition(".")[0]
    if not first.isidentifier():
        return False
    if any(True for suffix in (".so", ".pyd") for _ in folder.glob(f"{first}*{suffix}")):
        return True
    finders = folder.glob("__editable__*_finder.py")
    return any(re.search(rf"['\"]{first}['\"]\s*:", each.read_text("utf-8", "replace")) for each in finders)


def _is_dynamic(found: Found) -> bool:
    """Whether a module may have names that are not written in it."""
    path = found.path
    if path.is_dir():
        return False
    return path.suffix != ".py" or _DYNAMIC.search(path.read_text("utf-8", "replace")) is not None


def _may_have(found: Found, name: str) -> bool:
    """Whether a module has a name in a way that is not followed: somewhere in its text, or from anywhere."""
    if found.path.is_dir():
        return False
    if _is_dynamic(found):
        return True
    text = found.path.read_text("utf-8", "replace")
    return re.search(rf"\b{re.escape(name)}\b|\bimport\s*\*", text) is not None


def _is_declared(name: str, root: Path) -> bool:
    """Whether the project says that it needs a library of this name."""
    pattern = re.compile(rf"(?<![\w-])(?:python[-_.])?{re.sub('[-_.]+', '[-_.]+', name)}(?![\w-])", re.IGNORECASE)
    files = (path for each in _DECLARED for path in root.glob(each) if path.is_file())
    return any(pattern.search(path.read_text("utf-8", "replace")) for path in files)


class _Javascript:
    why = "Neither Node.js, nor the project, nor a node_modules folder around it has it."

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._modules = JavascriptModules(root)

    def missing(self, each: Import) -> _Missing | None:
        name = each.module
        if name in _NODE or _OTHERS_NAME.match(name):
            return None
        if self._modules.imported(self._path, Import(name, "", "", 0)) is not None:
            return None
        is_known = not name.startswith(".") and self._is_declared(name)
        return None if is_known else _no_module(each)

    def _is_declared(self, name: str) -> bool:
        """Whether the project names the package in one of its files, installed or not."""
        parts = name.split("/")
        package = "/".join(parts[: 1 + name.startswith("@")])
        typed = f"@types/{package.removeprefix('@').replace('/', '__')}"
        pattern = re.compile(rf'"(?:{re.escape(package)}|{re.escape(typed)})["/]')
        around = [folder for folder in self._path.parents if folder.is_relative_to(self._root)]
        files = [folder / each for folder in around for each in _PACKAGES]
        # A part of a repository may use what another part asks for, or is.
        files += [*self._root.glob("*/package.json"), *self._root.glob("*/*/package.json")]
        return any(pattern.search(file.read_text("utf-8", "replace")) for file in files if file.is_file())
