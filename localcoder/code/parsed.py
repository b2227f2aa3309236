"""How a text fits into code by a grammar: tree-sitter parses the three together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, cached_property

from tree_sitter import Language as Grammar
from tree_sitter import Node, Point, Query, QueryCursor, QueryError, Tree

from localcoder.code.brackets import CLOSING, OPENING, Bracket, OpenBracket, balance, cursor_line, open_brackets
from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.languages import Language

_LIMIT_S = 2.0
"""Far more than any text of this size takes in its own language, on a busy machine too."""
_LITERAL = re.compile(r"string|comment|heredoc|char|regex|raw_text|template_(?!sub)|text$")
_CODE_AGAIN = re.compile(r"interpolation|substitution|expansion")


class Parsed:
    """Parses incrementally: the code around the text is parsed once, and again only near the text."""

    def __init__(self, grammar: Grammar, before: str, after: str) -> None:
        self._grammar = grammar
        self._parser = limited_parser(grammar, _LIMIT_S)
        self._before, self._after = before.encode("utf-8", "replace"), after.encode("utf-8", "replace")
        self._line = cursor_line(before)
        row, newline = self._before.count(b"\n"), self._before.rfind(b"\n")
        self._point = Point(row, len(self._before) - newline - 1)
        self._tree = self._parser.parse(self._before + self._after)

    @cached_property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        first = len(self._before) - len(self._line.encode("utf-8", "replace"))
        tree = self._parser.parse(self._before[:first])
        return open_brackets(self._before[:first], brackets_in_tree(self._grammar, tree, 0, first))

    @cached_property
    def is_closed(self) -> bool:
        brackets = brackets_in_tree(self._grammar, self.fit("").tree, 0, len(self._before) + len(self._after))
        return balance(character for _, character in brackets) <= 0

    @cached_property
    def flaws(self) -> int:
        """Of the code before and after, and of the same without the cursor's line, whichever is better."""
        nothing = self.fit("").flaws
        if not nothing:
            return 0
        before = self._before[: len(self._before) - len(self._line.encode("utf-8", "replace"))]
        _, _, after = self._after.partition(b"\n")
        return min(nothing, count_errors(self._parser.parse(before + after)))

    def fit(self, text: str) -> ParsedFit:
        data, at = text.encode("utf-8", "replace"), len(self._before)
        rows, newline = data.count(b"\n"), data.rfind(b"\n")
        column = len(data) - newline - 1 + (0 if rows else self._point.column)
        tree = self._tree.copy()
        tree.edit(at, at, at + len(data), self._point, self._point, Point(self._point.row + rows, column))
        tree = self._parser.parse(self._before + data + self._after, tree)
        return ParsedFit(self._grammar, tree, at, self._line, text)


class ParsedFit:
    def __init__(self, grammar: Grammar, tree: Tree, at: int, line: str, text: str) -> None:
        self._grammar = grammar
        self.tree = tree
        self._at = at
        self._line = line
        self._text = text
        whole = line + text
        self._is_ascii = whole.isascii()
        self._first = at - len(line.encode("utf-8", "replace"))

    @cached_property
    def flaws(self) -> int:
        return count_errors(self.tree) + _count_lone_brackets(self._grammar, self.tree)

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        end = self._at + len(self._text.encode("utf-8", "replace"))
        found = brackets_in_tree(self._grammar, self.tree, self._first, end)
        return tuple(Bracket(self._offset(byte), character) for byte, character in found)

    def in_literal(self, offset: int) -> bool:
        start = self._byte(offset)
        line = self._byte(self._text.rfind("\n", 0, offset) + 1)
        for node in _ancestors(self.tree.root_node.descendant_for_byte_range(start, start)):
            if _CODE_AGAIN.search(node.type):
                return False
            if node.start_byte < line and _LITERAL.search(node.type) and node.parent is not None:
                return True
        return False

    def is_comment(self, offset: int) -> bool:
        start = self._byte(offset)
        node = self.tree.root_node.descendant_for_byte_range(start, start)
        return any("comment" in each.type for each in _ancestors(node))

    def _byte(self, offset: int) -> int:
        return self._at + (offset if self._is_ascii else len(self._text[:offset].encode("utf-8", "replace")))

    def _offset(self, byte: int) -> int:
        if self._is_ascii:
            return byte - self._at
        data = (self._line + self._text).encode("utf-8", "replace")
        return len(data[: byte - self._first].decode("utf-8", "ignore")) - len(self._line)


def brackets_in_tree(grammar: Grammar, tree: Tree, start: int, end: int) -> list[tuple[int, str]]:
    """(byte, bracket) of those from byte `start` on and before `end`, in their order."""
    query, kinds = _bracket_query(grammar)
    if query is None:
        return []
    cursor = QueryCursor(query)
    cursor.set_byte_range(start, end)
    found: list[tuple[int, str]] = []
    for node in cursor.captures(tree.root_node).get("bracket", ()):
        # A shell's case patterns end in a bracket that nothing opens.
        is_there = start <= node.start_byte < end and not node.is_missing
        if is_there and (node.parent is None or node.parent.type != "case_item"):
            found.extend((node.start_byte, character) for character in kinds[node.type])
    return sorted(found, key=lambda item: item[0])


def _ancestors(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        node = node.parent


def count_errors(tree: Tree) -> int:
    """How many errors a parse has: tokens that fit nowhere, and tokens that are missing."""
    count = 0
    nodes = [tree.root_node] if tree.root_node.has_error else []
    while nodes:
        node = nodes.pop()
        count += node.is_missing or node.is_error
        nodes.extend(child for child in node.children if child.has_error)
    return count


def errors_in(text: str, language: Language) -> int:
    """How many errors a whole text has; 0 where no grammar can tell, and for a text that its grammar is lost in."""
    grammar = grammar_of(language)
    # Markdown's grammar takes everything.
    if grammar is None or language.name == "markdown":
        return 0
    with suppress(ValueError):
        return count_errors(limited_parser(grammar, _LIMIT_S).parse(text.encode("utf-8", "replace")))
    return 0


@cache
def _bracket_query(grammar: Grammar) -> tuple[Query | None, dict[str, str]]:
    """A query for all tokens that open or close (`(`, `${`, `[[`), and the brackets that each of them stands for."""
    kinds: dict[str, str] = {}
    for number in range(grammar.node_kind_count):
        kind = grammar.node_kind_for_id(number)
        if kind and not grammar.node_kind_is_named(number) and grammar.node_kind_is_visible(number):
            brackets = "".join(character for character in kind if character in OPENING + CLOSING)
            if brackets and not any(pair in kind for pair in ("()", "[]", "{}")):
                kinds[kind] = brackets
    if not kinds:
        return None, kinds
    quoted = " ".join('"' + kind.replace("\\", "\\\\").replace('"', '\\"') + '"' for kind in kinds)
    return Query(grammar, f"[{quoted}] @bracket"), kinds


def _count_lone_brackets(grammar: Grammar, tree: Tree) -> int:
    query = _lone_bracket_query(grammar)
    return 0 if query is None else len(QueryCursor(query).captures(tree.root_node).get("bracket", ()))


@cache
def _lone_bracket_query(grammar: Grammar) -> Query | None:
    """A query for a shell's `}` that closes nothing: to its grammar it is a command of that name."""
    try:
        query: Query = Query(grammar, '((command_name (word) @bracket) (#eq? @bracket "}"))')
    except QueryError:
        return None
    return query
