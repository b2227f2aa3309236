"""What a file defines and imports, by its language's grammar: each definition's head, without its body.

`queries/NAME.scm` says what is a definition by the grammar `tree_sitter_NAME`. A capture there is a kind of definition,
`@name` its name; `@scope` is around definitions without being one, `@receiver` names the type that a function belongs
to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from tree_sitter import Node, Query, QueryCursor

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.imports import Import, imports_in
from localcoder.code.languages import Language

_LIMIT_S = 2.0
"""A grammar that takes longer for a megabyte is lost in what is not its language."""
_LONGEST_SIGNATURE, _LONGEST_CONSTANT, _LONGEST_DOC = 400, 120, 160
_LONGEST_TYPE = 600
"""Characters of a type that are shown with its fields, where the fields are no definitions of their own."""
WRAPPERS = (
    "decorated_definition", "export_statement", "lexical_declaration", "variable_declaration", "ambient_declaration",
    "expression_statement", "type_declaration", "const_declaration", "var_declaration", "var_spec_list",
    "template_declaration",
)  # fmt: skip
"""Around one definition they belong to it."""
_OTHER_KINDS = ("name", "import", "require", "receiver")
_FUNCTION_VALUES = ("arrow_function", "function_expression", "function_definition", "function")
_BODIES = ("body_statement", "class_body", "function_body", "enum_class_body", "block", "field_declaration_list")
_COMMENT_MARKS = re.compile(r"^(?:[\s/*#!;-]|<!--)+|(?:[\s*/-]|-->)+$|</?\w+>")


@dataclass(frozen=True)
class Definition:
    """`kind` is function, class, type, constant, field or module; `container` names what it stands in, with dots.

    `signature` is its head as it is written, without its body; `doc` the first line of its documentation. Lines count
    from 1; the last one belongs to it.
    """

    name: str
    kind: str
    container: str
    signature: str
    doc: str
    line: int
    end_line: int

    @property
    def qualified_name(self) -> str:
        return f"{self.container}.{self.name}" if self.container else self.name


@dataclass(frozen=True)
class Outline:
    """Of one file, in its order."""

    definitions: tuple[Definition, ...] = ()
    imports: tuple[Import, ...] = ()


def has_outline(language: Language) -> bool:
    """Whether it is known what a definition is in the language."""
    return query_of(language) is not None


def outline(text: str, language: Language) -> Outline:
    """What stands in the text; nothing for a language without a query, and for a text that its grammar is lost in."""
    query, grammar = query_of(language), grammar_of(language)
    if not text or query is None or grammar is None:
        return Outline()
    data = text.encode("utf-8", "replace")
    with suppress(ValueError):
        return _outline(data, language, query, limited_parser(grammar, _LIMIT_S).parse(data).root_node)
    return Outline()


def place_in(definition: Definition, lines: Sequence[str]) -> tuple[int, int]:
    """Row and column, from 0, of the name that is defined, in the lines of its file: they may have changed since."""
    name = re.compile(rf"(?<!\w){re.escape(definition.name)}(?!\w)")
    for row in range(definition.line - 1, min(definition.end_line, len(lines))):
        # A decorator may say the name before.
        if not lines[row].lstrip().startswith("@") and (match := name.search(lines[row])):
            return row, match.start()
    # It has moved: the nearest line that has the name.
    places = [(row, match.start()) for row, line in enumerate(lines) if (match := name.search(line))]
    last = max(min(definition.line, len(lines)) - 1, 0)
    return min(places, key=lambda place: abs(place[0] - last), default=(last, 0))


def import_statements(
    root: Node, data: bytes, language: Language, start: int, end: int
) -> Iterator[tuple[Node, tuple[Import, ...]]]:
    """The statements that import something and touch these bytes of a parsed text, each with what it imports."""
    query = query_of(language)
    if query is None:
        return
    cursor = QueryCursor(query)
    cursor.set_byte_range(start, end)
    nodes = {node.id: node for _, captures in cursor.matches(root) for node in captures.get("import", ())}
    for node in nodes.values():
        if node.start_byte < end and node.end_byte > start:
            yield node, tuple(imports_in(node, data, language))


@cache
def query_of(language: Language) -> Query | None:
    """What says what is a definition in the language; None where nothing does."""
    grammar = grammar_of(language)
    if language.grammar is None or grammar is None:
        return None
    file = resources.files("localcoder.code") / "queries" / f"{language.grammar.removeprefix('tree_sitter_')}.scm"
    return Query(grammar, file.read_text("utf-8")) if file.is_file() else None


def _outline(data: bytes, language: Language, query: Query, root: Node) -> Outline:
    definitions: list[Definition] = []
    imports: list[Import] = []
    around: list[tuple[int, str, str]] = []
    """(where it ends, kind, name) of what the definition stands in, the innermost last."""
    for node, kind, captures in captured(query, root):
        while around and around[-1][0] <= node.start_byte:
            around.pop()
        is_local = any(outer == "function" for _, outer, _ in around)
        if kind == "import":
            # What a function imports, nobody else can name.
            imports += (
                replace(each, is_export=each.is_export and not is_local) for each in imports_in(node, data, language)
            )
        if is_local or kind == "import":
            continue
        own, name = _split_name(_text(captures["name"][0], data), kind)
        if "receiver" in captures:
            own = _receiver(_text(captures["receiver"][0], data))
        value = node.child_by_field_name("value")
        if kind == "constant" and value is not None and value.type in _FUNCTION_VALUES:
            kind = "function"
        elif kind == "constant" and around and around[-1][1] in ("class", "scope"):
            kind = "field"
        around.append((node.end_byte, kind, f"{own}.{name}" if own else name))
        if kind != "scope" and name:
            containers = [outer for _, _, outer in around[:-1]]
            definitions.append(_definition(node, kind, name, ".".join((*containers, *filter(None, [own]))), data))
    return Outline(tuple(definitions), tuple(imports))


def captured(query: Query, root: Node) -> Sequence[tuple[Node, str, dict[str, list[Node]]]]:
    """(node, kind, all that was captured with it), each node once, in their order."""
    found: dict[tuple[int, int, str], tuple[Node, str, dict[str, list[Node]]]] = {}
    for _, captures in QueryCursor(query).matches(root):
        kind = next((name for name in captures if name not in _OTHER_KINDS), "import")
        if kind not in captures and "import" not in captures:
            continue
        node = captures[kind][0]
        found.setdefault((node.start_byte, -node.end_byte, _key(captures, node)), (node, kind, captures))
    return [found[key] for key in sorted(found)]


def _key(captures: dict[str, list[Node]], node: Node) -> str:
    """Several names may stand in one declaration."""
    return str(captures["name"][0].start_byte).zfill(9) if "name" in captures else ""


def _definition(node: Node, kind: str, name: str, container: str, data: bytes) -> Definition:
    whole = node
    while (parent := whole.parent) is not None and parent.type in WRAPPERS:
        is_list = sum(child.type == whole.type for child in parent.named_children) > 1
        if is_list or (kind == "constant" and parent.start_point.row < whole.start_point.row):
            break
        whole = parent
    signature = _signature(whole, node, kind, data)
    doc = _docstring(node, data) or _comment_above(whole, data)
    return Definition(name, kind, container, signature, doc, whole.start_point.row + 1, whole.end_point.row + 1)


def _signature(whole: Node, node: Node, kind: str, data: bytes) -> str:
    body = body_of(node)
    end = whole.end_byte if body is None else body.start_byte
    if kind in ("constant", "field"):
        return _one_line(data[whole.start_byte : whole.end_byte].decode("utf-8", "replace"))
    if kind == "type" and whole.end_byte - whole.start_byte <= _LONGEST_TYPE:
        return data[whole.start_byte : whole.end_byte].decode("utf-8", "replace").rstrip("; \n")
    lines = []
    if whole.type == "decorated_definition":
        lines = [_shortened(_text(child, data), 80) for child in whole.named_children if child.type == "decorator"]
    start = node.start_byte if lines else whole.start_byte
    return "\n".join((*lines, _shortened(_head(data[start:end].decode("utf-8", "replace")), _LONGEST_SIGNATURE)))


def _head(text: str) -> str:
    """In one line, without comments and what opens or closes the body."""
    text = " ".join(re.sub(r"\s*(?:#|//)[^\n]*\n", "\n", text).split())
    text = re.sub(r"([(\[]) | (?=[)\]])", r"\1", text).replace(",)", ")")
    return text.rstrip("{ ;").removesuffix(" end").rstrip(";")


def body_of(node: Node) -> Node | None:
    """Of a definition's node; None where it has none."""
    body = node.child_by_field_name("body")
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    if body is None and value is not None and value.type in _FUNCTION_VALUES:
        body = value.child_by_field_name("body")
    return body or next((child for child in node.named_children if child.type in _BODIES), None)


def _docstring(node: Node, data: bytes) -> str:
    """Of Python: the string that a body begins with."""
    body = node.child_by_field_name("body")
    first = body.named_children[0] if body is not None and body.type == "block" and body.named_children else None
    if first is None or first.type != "expression_statement" or first.named_child_count != 1:
        return ""
    string = first.named_children[0]
    content = [_text(child, data) for child in string.named_children if child.type == "string_content"]
    return _first_line("".join(content)) if string.type == "string" else ""


def _comment_above(whole: Node, data: bytes) -> str:
    """The first line of the comment that ends right above."""
    # A comment at the beginning of a body stands before the body in some grammars.
    while whole.prev_named_sibling is None and whole.parent is not None and whole.parent.type == "body_statement":
        whole = whole.parent
    doc, row, above = "", whole.start_point.row, whole.prev_named_sibling
    while above is not None and (_is_comment(above) or "attribute" in above.type):
        # Some grammars count the line's end to a comment.
        last = above.end_point.row - (above.end_point.column == 0)
        before = above.prev_sibling
        is_own_line = before is None or before.end_point.row < above.start_point.row or not before.end_point.column
        if last not in (row - 1, row) or not is_own_line:
            break
        if _is_comment(above):
            lines = (_COMMENT_MARKS.sub("", line.strip()) for line in _text(above, data).splitlines())
            doc = _first_line("\n".join(lines)) or doc
        row, above = above.start_point.row, above.prev_named_sibling
    return doc


def _is_comment(node: Node) -> bool:
    return "comment" in node.type


def _first_line(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return _shortened(next((line for line in lines if re.search(r"\w", line)), ""), _LONGEST_DOC)


def _one_line(text: str) -> str:
    first, _, more = text.strip().partition("\n")
    return _shortened(first.rstrip() + (" …" if more else ""), _LONGEST_CONSTANT)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _split_name(name: str, kind: str) -> tuple[str, str]:
    """(what a name stands in, its last part): of `Window::draw`, `Window.draw`, `"a/b"`."""
    name = name.strip("\"'`")
    if kind == "scope":
        return "", re.sub(r"<.*", "", name, flags=re.DOTALL)
    if kind == "module" or "operator" in name:
        return "", name
    *outer, last = re.split(r"::|[.:]", re.sub(r"<[^<>]*>", "", name))
    return ".".join(filter(None, outer)), last


def _receiver(text: str) -> str:
    """`Window` of `(w *Window[T])`."""
    names = re.findall(r"\w+", re.sub(r"\[.*\]", "", text))
    return names[-1] if names else ""


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")
