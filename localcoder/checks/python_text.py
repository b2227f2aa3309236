"""Python's own parse of what is around a place in a text.

What functions, classes and tables elsewhere in the file hold is left out: a check of one completion has 20 ms, and what
is half written elsewhere does not matter to it.
"""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from localcoder.code.ranges import Range

_BLOCK = re.compile(
    r"^(?P<indentation>[ \t]*)(?P<word>async[ ]+def|def|class)[ ]+(?P<name>\w+)[^\n]*\n"
    r"(?P<body>(?:(?P=indentation)[ \t][^\n]*\n|[ \t]*[)\]}#][^\n]*\n|[ \t\f]*\r?\n)*)",
    re.MULTILINE,
)
"""A function or a class, up to the next line that is indented as little."""
_GIVES_NAMES_AWAY = re.compile(r"^[ \t]+global[ ]", re.MULTILINE)
_LONG_LINES = 20
"""Of a value, or values of a table, from which on they cost more than they tell."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class PythonText:
    """`tree` is the parse of what is left of `whole`, with its lines and columns."""

    whole: str
    tree: ast.Module

    def offset(self, line: int, column: int) -> int:
        """The character of a line, counted from 1, and a column in bytes, as the parser counts them."""
        start = self._line_starts[min(line, len(self._line_starts)) - 1]
        if self.whole.isascii():
            return min(start + column, len(self.whole))
        following = self.whole[start : start + column].encode("utf-8", "replace")[:column]
        return start + len(following.decode("utf-8", "ignore"))

    def line_of(self, offset: int) -> int:
        """Counted from 1."""
        return bisect_right(self._line_starts, offset)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.whole))]


def python_text(whole: str, place: Range) -> PythonText | None:
    """What is around the place; all of the text where it is cut wrongly, and None where that does not parse either."""
    for text in (_cut(whole, place), whole):
        if (tree := parse(text)) is not None:
            found = PythonText(whole, tree)
            _leave_out(tree, found.line_of(place.start), found.line_of(place.end))
            return found
    return None


def parse(text: str) -> ast.Module | None:
    """None for what this Python cannot parse."""
    with warnings.catch_warnings():
        # What it finds odd in a string it would print.
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _cut(text: str, place: Range) -> str:
    def stub(match: re.Match[str]) -> str:
        if match.start() <= place.end and match.end() >= place.start:
            at = match.start("body")
            inner = Range(max(place.start - at, 0), max(place.end - at, 0))
            return text[match.start() : at] + (
                _cut(match["body"], inner) if match["word"] == "class" else match["body"]
            )
        # A string with lines at the left seems to end the block in the middle of it.
        is_split = (match["body"].count('"""') + match["body"].count("'''")) % 2
        if is_split or _GIVES_NAMES_AWAY.search(match[0]):
            return match[0]
        head = f"class {match['name']}: pass" if match["word"] == "class" else f"def {match['name']}(*_): pass"
        return match["indentation"] + head + "\n" * len(_LINE_END.findall(match[0]))

    return _BLOCK.sub(stub, text)


def _leave_out(node: ast.AST, first: int, last: int) -> None:
    """Of a part of the tree: the tables, or what tables hold, that are outside of these lines."""
    for child in ast.iter_child_nodes(node):
        is_near = getattr(child, "lineno", first) <= last and getattr(child, "end_lineno", last) >= first
        if is_near:
            _leave_out_items(child, first, last)
            _leave_out(child, first, last)
        elif isinstance(child, ast.Assign | ast.AnnAssign | ast.Expr) and child.value is not None and _is_long(child):
            child.value = ast.copy_location(ast.Constant(None), child.value)


def _is_long(node: ast.stmt) -> bool:
    return (node.end_lineno or node.lineno) - node.lineno >= _LONG_LINES


def _leave_out_items(node: ast.AST, first: int, last: int) -> None:
    """Of a table."""

    def is_near(each: ast.expr) -> bool:
        return each.lineno <= last and (each.end_lineno or each.lineno) >= first

    if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) > _LONG_LINES:
        node.elts = [each for each in node.elts if is_near(each)]
    elif isinstance(node, ast.Dict) and len(node.values) > _LONG_LINES:
        kept = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if is_near(value)]
        node.keys, node.values = [key for key, _ in kept], [value for _, value in kept]
