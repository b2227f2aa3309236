"""Colours for the visible part of a text, by tree-sitter: parsed incrementally, queried for visible rows only."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from tree_sitter import Language as Grammar
from tree_sitter import Node, Parser, Query, QueryCursor, QueryError, Tree

from localcoder.code.grammars import grammar_of
from localcoder.code.languages import Language

Span = tuple[int, int, str]
"""First column, column after the last one, kind."""

_QUERIES = Path(__file__).parent / "queries"
_LONGEST_LINE = 5_000
"""Characters. Chosen: longer lines are data or minified code, where each key would colour the whole line anew."""
_LARGEST_TEXT = 4_000_000
"""Bytes. Chosen: four times the largest text of `tests/benchmarks/editor_keys.py`."""
_SLACK_ROWS = 20
"""Rows above and below the visible ones that are coloured with them. Chosen: half a screen scrolls without a query."""

KINDS = {
    "attribute": "attribute", "decorator": "attribute", "annotation": "attribute",
    "boolean": "constant", "constant": "constant",
    "character": "string", "string": "string", "escape": "constant",
    "comment": "comment",
    "constructor": "type", "type": "type", "module": "type", "namespace": "type",
    "float": "number", "number": "number",
    "function": "function", "method": "function",
    "conditional": "keyword", "exception": "keyword", "include": "keyword", "keyword": "keyword",
    "preproc": "keyword", "repeat": "keyword", "storageclass": "keyword", "define": "keyword", "label": "keyword",
    "property": "property", "field": "property",
    "tag": "tag", "text": "heading",
    "heading": "heading", "title": "heading", "markup": "heading", "link": "link", "uri": "link",
    "operator": "operator", "punctuation": "", "delimiter": "", "variable": "", "parameter": "",
}  # fmt: skip
"""Capture names, up to their first dot → the kinds that have a colour; empty for plain."""


@dataclass(frozen=True)
class LoadedGrammar:
    grammar: Grammar
    query: Query
    kinds: tuple[str, ...]


@cache
def load_grammar(language: Language) -> LoadedGrammar | None:
    """The language's grammar and highlight query; None where it is not installed."""
    grammar = grammar_of(language)
    if grammar is None:
        return None
    try:
        query = Query(grammar, _query_text(language))
    except (ImportError, AttributeError, OSError, QueryError):
        return None
    names = [query.capture_name(index) for index in range(query.capture_count)]
    return LoadedGrammar(grammar, query, tuple(names))


class Highlighter:
    """Follows one text's edits. `lines` is the live list of the document's lines."""

    def __init__(self, language: Language, lines: Sequence[str]) -> None:
        loaded = load_grammar(language)
        self._loaded = loaded
        self._lines = lines
        self._parser = Parser(loaded.grammar) if loaded else None
        self._tree: Tree | None = None
        self._is_stale = True
        self._found: tuple[int, int, dict[int, tuple[Span, ...]]] = (0, 0, {})

    def edited(self, row: int, column: int, replaced: Sequence[str], inserted: Sequence[str]) -> None:
        """At (row, column), the lines `replaced` (pieces between newlines) became `inserted`; `lines` has them."""
        self._is_stale = True
        if self._tree is None:
            return
        start_column = len(self._lines[row][:column].encode("utf-8", "replace"))
        start = sum(map(len, self._encoded(0, row))) + row + start_column
        old_size, old_rows, old_column = _extent(replaced)
        new_size, new_rows, new_column = _extent(inserted)
        self._tree.edit(
            start_byte=start,
            old_end_byte=start + old_size,
            new_end_byte=start + new_size,
            start_point=(row, start_column),
            old_end_point=(row + old_rows, old_column + (0 if old_rows else start_column)),
            new_end_point=(row + new_rows, new_column + (0 if new_rows else start_column)),
        )

    def spans(self, first: int, last: int) -> dict[int, tuple[Span, ...]]:
        """The coloured spans of rows first … last, outer ones before the inner ones that cover them."""
        if self._loaded is None or self._parser is None:
            return {}
        known_first, known_last, found = self._found
        if not self._is_stale and known_first <= first and last <= known_last:
            return found
        first = max(first - _SLACK_ROWS, 0)
        last = min(last + _SLACK_ROWS, len(self._lines) - 1)
        found = {}
        # In this order: where a very long line is in view, each key would parse it anew for nothing.
        if all(len(line) <= _LONGEST_LINE for line in self._lines[first : last + 1]) and self._parse():
            found = self._query(first, last)
        self._found = (first, last, found)
        return found

    def _parse(self) -> bool:
        if self._is_stale:
            data = b"\n".join(self._encoded(0, len(self._lines)))
            assert self._parser is not None
            if len(data) > _LARGEST_TEXT:
                self._tree = None
            else:
                self._tree = self._parser.parse(data, self._tree) if self._tree else self._parser.parse(data)
            self._is_stale = False
        return self._tree is not None

    def _query(self, first: int, last: int) -> dict[int, tuple[Span, ...]]:
        assert self._loaded is not None and self._tree is not None
        cursor = QueryCursor(self._loaded.query)
        cursor.set_point_range((first, 0), (last + 1, 0))
        captured: list[tuple[int, int, int, str, Node]] = []
        for pattern, captures in cursor.matches(self._tree.root_node):
            for name, nodes in captures.items():
                kind = KINDS.get(name.partition(".")[0])
                if kind is not None:
                    # Words like `in` and `or` are operators to some queries; people read them as keywords.
                    captured.extend(
                        (node.start_byte, -node.end_byte, pattern, _kind_of_word(kind, node), node) for node in nodes
                    )
        # Of two captures of one node, the later pattern is the more special one.
        captured.sort(key=lambda item: item[:3])
        rows: dict[int, list[Span]] = {}
        for *_, kind, node in captured:
            (top, left), (bottom, right) = node.start_point, node.end_point
            for row in range(max(top, first), min(bottom, last) + 1):
                line = self._lines[row]
                start = _column(line, left) if row == top else 0
                end = _column(line, right) if row == bottom else len(line)
                rows.setdefault(row, []).append((start, end, kind))
        return {row: tuple(spans) for row, spans in rows.items()}

    def _encoded(self, first: int, last: int) -> list[bytes]:
        return [line.encode("utf-8", "replace") for line in self._lines[first:last]]


def _kind_of_word(kind: str, node: Node) -> str:
    return "keyword" if kind == "operator" and node.type.replace(" ", "").isalpha() and not node.is_named else kind


def _extent(pieces: Sequence[str]) -> tuple[int, int, int]:
    """Bytes, newlines, and bytes after the last newline of some pieces."""
    sizes = [len(piece.encode("utf-8", "replace")) for piece in pieces]
    return sum(sizes) + len(sizes) - 1, len(sizes) - 1, sizes[-1]


def _column(line: str, byte: int) -> int:
    return byte if line.isascii() else len(line.encode("utf-8", "replace")[:byte].decode("utf-8", "ignore"))


def _query_text(language: Language) -> str:
    own = _QUERIES / f"{language.name}.scm"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    assert language.grammar is not None
    return "\n".join(_packaged_query(module) for module in (*language.inherits, language.grammar))


def _packaged_query(module: str) -> str:
    folder = resources.files(module) / "queries"
    file = folder / "markdown" / "highlights.scm" if module == "tree_sitter_markdown" else folder / "highlights.scm"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    return str(importlib.import_module(module).HIGHLIGHTS_QUERY)
