"""What a file imports, as its language says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tree_sitter import Node

from localcoder.code.languages import Language


@dataclass(frozen=True)
class Import:
    """`name` of `module` is called `alias` in the file, which stands in `line`, counted from 1.

    An empty `name` is the module itself, `*` all that it has; in JavaScript `default` is what it is called there, and
    `=` what `require` returns. An empty `alias` names nothing here: it is loaded, or only handed on. `is_export`: what
    imports this file can name it; with an empty `module` that is what the file itself calls `name`. In languages whose
    modules are not resolved here, `module` is what the statement says.
    """

    module: str
    name: str
    alias: str
    line: int
    is_export: bool = False


def imports_in(node: Node, data: bytes, language: Language) -> Iterator[Import]:
    """What one import statement imports."""
    read = _READERS.get(language.name)
    if read is not None:
        yield from read(node, data)
        return
    text = _text(node, data)
    if quoted := re.search(r"""["'<]([^"'>]+)["'>]""", text):
        module = quoted[1]
    else:
        module = re.sub(r"^\W*(?:import|using|use|source)\s+(?:static\s+)?|^\.\s+|[;\s]+$", "", text)
    yield Import(" ".join(module.split()), "", "", _line(node))


def _python(node: Node, data: bytes) -> Iterator[Import]:
    module = node.child_by_field_name("module_name")
    source = "" if module is None else re.sub(r"\s", "", _text(module, data))
    names = node.children_by_field_name("name")
    for each in names:
        alias = each.child_by_field_name("alias")
        inner = each.child_by_field_name("name") if each.type == "aliased_import" else each
        name = "" if inner is None else re.sub(r"\s", "", _text(inner, data))
        if module is not None:
            yield Import(source, name, name if alias is None else _text(alias, data), _line(node), True)
        else:
            # `import a.b` names `a`; `import a.b as c` names the module b.
            first = name.partition(".")[0] if alias is None else _text(alias, data)
            yield Import(name, "", first, _line(node), True)
    if module is not None and any(child.type == "wildcard_import" for child in node.named_children):
        yield Import(source, "*", "", _line(node), True)


def _javascript(node: Node, data: bytes) -> Iterator[Import]:
    if node.type == "variable_declarator":
        yield from _required(node, data)
        return
    if node.type == "assignment_expression":
        yield from _assigned(node, data)
        return
    line, is_export = _line(node), node.type == "export_statement"
    source = node.child_by_field_name("source")
    clauses = [child for child in node.named_children if child.type in _CLAUSES]
    for clause in clauses:
        if clause.type == "import_require_clause":
            name, source = clause.named_children[0], clause.child_by_field_name("source")
            if source is not None:
                yield Import(_unquoted(source, data), "=", _text(name, data), line)
            return
    if source is None and not clauses:
        is_default = any(child.type == "default" for child in node.children)
        name = node.named_children[-1]
        yield Import("", _text(name, data), "default" if is_default else "=", line, True)
        return
    module = "" if source is None else _unquoted(source, data)
    if not clauses:
        yield Import(module, "*" if is_export else "", "", line, is_export)
    for clause in clauses:
        parts: list[Node] = clause.named_children if clause.type != "namespace_export" else [clause]
        for part in parts:
            if part.type == "identifier":
                yield Import(module, "default", _text(part, data), line)
            elif part.type in ("namespace_import", "namespace_export"):
                yield Import(module, "", _text(part.named_children[-1], data), line, is_export)
            else:
                specifiers = [part] if part.type == "export_specifier" else part.named_children
                for specifier in specifiers:
                    own, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
                    if own is not None:
                        called = _text(own, data)
                        yield Import(module, called, called if alias is None else _text(alias, data), line, is_export)


def _assigned(node: Node, data: bytes) -> Iterator[Import]:
    """`module.exports = a`, `exports.b = a`."""
    target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
    place = None if target is None else target.child_by_field_name("object")
    name = None if target is None else target.child_by_field_name("property")
    if place is None or name is None or value is None:
        return
    is_module = _text(place, data) == "module"
    if not is_module or _text(name, data) == "exports":
        yield Import("", _text(value, data), "=" if is_module else _text(name, data), _line(node), True)


_CLAUSES = ("import_clause", "export_clause", "namespace_export", "import_require_clause")


def _required(node: Node, data: bytes) -> Iterator[Import]:
    """`const a = require("m")`, `const { a, b: c } = require("m")`."""
    target, call = node.child_by_field_name("name"), node.child_by_field_name("value")
    arguments = None if call is None else call.child_by_field_name("arguments")
    strings = [] if arguments is None else [child for child in arguments.named_children if child.type == "string"]
    if target is None or not strings:
        return
    module, line = _unquoted(strings[0], data), _line(node)
    if target.type == "identifier":
        yield Import(module, "=", _text(target, data), line)
    for part in target.named_children if target.type == "object_pattern" else ():
        key, value = part.child_by_field_name("key"), part.child_by_field_name("value")
        if part.type == "shorthand_property_identifier_pattern":
            yield Import(module, _text(part, data), _text(part, data), line)
        elif key is not None and value is not None and value.type == "identifier":
            yield Import(module, _text(key, data), _text(value, data), line)


_READERS: dict[str, Callable[[Node, bytes], Iterator[Import]]] = {
    "python": _python, "javascript": _javascript, "typescript": _javascript, "tsx": _javascript,
}  # fmt: skip


def _line(node: Node) -> int:
    line: int = node.start_point.row + 1
    return line


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _unquoted(node: Node, data: bytes) -> str:
    return _text(node, data).strip("\"'`")
