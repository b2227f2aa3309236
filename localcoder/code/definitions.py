"""Where the functions and classes of a text stand, and where in them something is missing: by the language's grammar.

Offsets count characters from the beginning of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.indentation import depth_of
from localcoder.code.languages import Language
from localcoder.code.outline import WRAPPERS, body_of, captured, query_of

_LIMIT_S = 2.0
"""A grammar that takes longer for a file that somebody edits is lost in what is not its language."""
_FUNCTION_VALUES = ("arrow_function", "function_expression", "function_definition", "function")
_NOT_YET = re.compile(
    r"pass|\.\.\.|raise\s+NotImplementedError\b.*|(?:todo|unimplemented)!\s*[(\[{].*|TODO\s*\(.*|fatalError\s*\(.*"
    r"|(?:throw|panic)\b.*?(?:not\s*(?:yet\s*)?implemented|unimplemented|TODO).*",
    re.IGNORECASE | re.DOTALL,
)
"""A statement that stands where code is to be."""
_MARK = re.compile(r"\b(?:TODO|FIXME|XXX)\b|(?:your|code) (?:code|goes) here", re.IGNORECASE)
"""A comment that says that something is to be written."""
_ON_PURPOSE = re.compile(r"@\s*(?:[\w.]+\.)?(?:abstractmethod|abstractproperty|overload)\b")
_BARE_CLASS = re.compile(r"\b(?:Protocol|ABC)\b")


@dataclass(frozen=True)
class Hole:
    """Where text is missing: it goes in the place of what is from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class TypeHole(Hole):
    """Where a type is missing. `before` and `after` go around it; `sure` is the type where the code itself says it."""

    before: str = ": "
    after: str = ""
    sure: str = ""


@dataclass(frozen=True)
class DefinitionPlace:
    """One function or class, with what is written before it and belongs to it (decorators, `export`).

    `head_end` is where its head ends: behind Python's colon, before another language's body. `body` is None where
    there is none. `blank` is what of a body stands for code that is not written yet; None for a body that is.
    """

    kind: Literal["function", "class"]
    name: str
    start: int
    end: int
    head_end: int
    body: Hole | None
    is_documented: bool
    blank: Hole | None = None
    types: tuple[TypeHole, ...] = ()
    """Where its parameters, and what it returns, lack a type."""


def definitions_in(text: str, language: Language) -> tuple[DefinitionPlace, ...]:
    """All functions and classes of the text, in its order; nothing for a language without a grammar or a query."""
    query, grammar = query_of(language), grammar_of(language)
    if query is None or grammar is None:
        return ()
    data = text.encode("utf-8", "replace")
    with suppress(ValueError):
        root = limited_parser(grammar, _LIMIT_S).parse(data).root_node
        source = _Source(text, data, language)
        found = [place for node, kind, names in captured(query, root) if (place := source.place(node, kind, names))]
        return tuple(sorted(found, key=lambda place: (place.start, -place.end)))
    return ()


def is_not_yet(statement: str) -> bool:
    """Whether a statement only stands where code is to be."""
    return _NOT_YET.fullmatch(statement.rstrip("; \n")) is not None


class _Source:
    """A text whose nodes count bytes."""

    def __init__(self, text: str, data: bytes, language: Language) -> None:
        self._text = text
        self._data = data
        self._is_ascii = len(text) == len(data)
        self._language = language

    def place(self, node: Node, kind: str, captures: dict[str, list[Node]]) -> DefinitionPlace | None:
        name = self._of(captures["name"][0]) if "name" in captures else ""
        inner = node
        value = node.child_by_field_name("value")
        if kind == "constant" and value is not None and value.type in _FUNCTION_VALUES:
            kind, inner = "function", value
        if kind == "type" and body_of(node) is not None:
            kind = "class"
        if kind not in ("function", "class"):
            return None
        whole = node
        while (parent := whole.parent) is not None and parent.type in WRAPPERS:
            whole = parent
        body = body_of(inner)
        head_end = self._head_end(inner, body)
        return DefinitionPlace(
            kind="function" if kind == "function" else "class",
            name=name,
            start=self._at(whole.start_byte),
            end=self._at(whole.end_byte),
            head_end=head_end,
            body=None if body is None else self._range(body),
            is_documented=self._is_documented(whole, body),
            blank=self._blank(inner, whole, body, head_end) if kind == "function" else None,
            types=tuple(self._missing_types(inner, name, body)) if kind == "function" else (),
        )

    def _at(self, byte: int) -> int:
        return byte if self._is_ascii else len(self._data[:byte].decode("utf-8", "ignore"))

    def _of(self, node: Node) -> str:
        return self._data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _range(self, node: Node) -> Hole:
        return Hole(self._at(node.start_byte), self._at(node.end_byte))

    def _head_end(self, node: Node, body: Node | None) -> int:
        if self._language.name == "python":
            colons = [child for child in node.children if child.type == ":"]
            if colons:
                return self._at(colons[-1].end_byte)
        return self._at(node.end_byte if body is None else body.start_byte)

    def _is_documented(self, whole: Node, body: Node | None) -> bool:
        if self._language.name == "python":
            return body is not None and _docstring_of(body) is not None
        above = whole.prev_named_sibling
        return above is not None and "comment" in above.type and _last_row(above) + 1 >= whole.start_point.row

    # Bodies that are not written yet

    def _blank(self, node: Node, whole: Node, body: Node | None, head_end: int) -> Hole | None:
        head = self._data[whole.start_byte : node.start_byte].decode("utf-8", "replace")
        if _ON_PURPOSE.search(head) or self._is_in_bare_class(node):
            return None
        if self._language.name == "python":
            return self._blank_python(node, body, head_end)
        if body is None:
            return None
        while len(body.named_children) == 1 and body.named_children[0].type in ("block", "statements"):
            body = body.named_children[0]
        comments = [child for child in body.named_children if "comment" in child.type]
        others = [child for child in body.named_children if "comment" not in child.type]
        if len(others) == 1 and is_not_yet(self._of(others[0])):
            start = self._at(others[0].start_byte)
            # Go's grammar counts the line's end to the statement; Java's leaves the semicolon out in places.
            end = start + len(self._of(others[0]).rstrip())
            semicolon = re.match(r"\s*;", self._text[end:])
            return Hole(start, end + (semicolon.end() if semicolon else 0))
        if not others and any(_MARK.search(self._of(comment)) for comment in comments):
            last = comments[-1]
            end = self._at(last.start_byte) + len(self._of(last).rstrip("\n"))
            return Hole(end, end)
        return None

    def _blank_python(self, node: Node, body: Node | None, head_end: int) -> Hole | None:
        statements = [] if body is None else [child for child in body.named_children if child.type != "comment"]
        docstring = None if body is None else _docstring_of(body)
        if docstring is not None:
            statements = statements[1:]
        if len(statements) == 1 and is_not_yet(self._of(statements[0])):
            return self._range(statements[0])
        if statements:
            return None
        # Comments that end a body stand behind it, to the grammar.
        start = self._at(docstring.end_byte) if docstring is not None else head_end
        first = self._text.rfind("\n", 0, self._at(node.start_byte)) + 1
        depth, end, is_marked = depth_of(self._text[first:]), start, False
        for line in re.finditer(r"([ \t]*)(#[^\n]*|)(?:\n|\Z)", self._text[_next_line(self._text, start) :]):
            if line.start() and self._text[_next_line(self._text, start) + line.start() - 1] != "\n":
                break
            if not line[2]:
                if not line[0]:
                    break
                continue
            if depth_of(line[1] + ".") <= depth:
                break
            is_marked = is_marked or _MARK.search(line[2]) is not None
            end = _next_line(self._text, start) + line.end(2)
        return Hole(end, end) if is_marked else None

    def _is_in_bare_class(self, node: Node) -> bool:
        """Whether the class around it is one whose methods have no bodies."""
        outer = node.parent
        while outer is not None and outer.type != "class_definition":
            outer = outer.parent
        bases = None if outer is None else outer.child_by_field_name("superclasses")
        return bases is not None and _BARE_CLASS.search(self._of(bases)) is not None

    # Types that are missing

    def _missing_types(self, node: Node, name: str, body: Node | None) -> Iterator[TypeHole]:
        parameters = node.child_by_field_name("parameters")
        if parameters is None:
            return
        if self._language.name == "python":
            yield from self._python_types(node, parameters, name, body)
        elif self._language.name in ("typescript", "tsx"):
            yield from self._typescript_types(node, parameters, name)

    def _python_types(self, node: Node, parameters: Node, name: str, body: Node | None) -> Iterator[TypeHole]:
        is_method = _is_method(node)
        for index, child in enumerate(parameters.named_children):
            text = self._of(child)
            if is_method and index == 0 and text in ("self", "cls", "mcs"):
                continue
            end = self._at(child.end_byte)
            if child.type == "default_parameter":
                own, value = child.child_by_field_name("name"), child.child_by_field_name("value")
                if own is not None and value is not None:
                    yield TypeHole(self._at(own.end_byte), self._at(value.start_byte), after=" = ")
            elif child.type in ("identifier", "list_splat_pattern", "dictionary_splat_pattern"):
                yield TypeHole(end, end)
        if node.child_by_field_name("return_type") is None:
            end = self._at(parameters.end_byte)
            gives_none = name == "__init__" or (body is not None and self._gives_nothing(node, body))
            yield TypeHole(end, end, before=" -> ", sure="None" if gives_none else "")

    def _gives_nothing(self, node: Node, body: Node) -> bool:
        """Whether Python's function surely returns None."""
        docstring = _docstring_of(body)
        statements = [child for child in body.named_children if child.type != "comment" and child != docstring]
        if all(is_not_yet(self._of(each)) or each.type == "raise_statement" for each in statements):
            return False
        nodes = [*body.named_children]
        while nodes:
            each = nodes.pop()
            if each.type in ("yield", "raise_statement") or (each.type == "return_statement" and each.named_children):
                return False
            if each.type not in ("function_definition", "class_definition", "lambda"):
                nodes.extend(each.named_children)
        return True

    def _typescript_types(self, node: Node, parameters: Node, name: str) -> Iterator[TypeHole]:
        for child in parameters.named_children:
            if child.type in ("required_parameter", "optional_parameter") and not child.child_by_field_name("type"):
                pattern = child.child_by_field_name("pattern")
                if pattern is None or pattern.type == "this":
                    continue
                end = self._at(pattern.end_byte)
                end += self._text[end : end + 1] == "?"
                yield TypeHole(end, end)
        is_setter = any(child.type == "set" for child in node.children)
        if node.child_by_field_name("return_type") is None and name != "constructor" and not is_setter:
            end = self._at(parameters.end_byte)
            yield TypeHole(end, end)


def _docstring_of(body: Node) -> Node | None:
    """Python's: the string that a body begins with."""
    first = next((child for child in body.named_children if child.type != "comment"), None)
    if first is None or first.type != "expression_statement" or first.named_child_count != 1:
        return None
    return first if first.named_children[0].type in ("string", "concatenated_string") else None


def _is_method(node: Node) -> bool:
    outer = node.parent
    if outer is not None and outer.type == "decorated_definition":
        outer = outer.parent
    return outer is not None and outer.parent is not None and outer.parent.type == "class_definition"


def _last_row(node: Node) -> int:
    """Some grammars count the line's end to a comment."""
    row: int = node.end_point.row - (node.end_point.column == 0)
    return row


def _next_line(text: str, offset: int) -> int:
    return text.find("\n", offset) + 1 or len(text)
