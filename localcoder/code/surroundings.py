"""How a text fits between the code before it and the code after it: what of it is brackets, what stands in strings or
comments, and how well the three parse together.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol, TypeVar

from tree_sitter import Language as Grammar
from tree_sitter import Node, Point, Query, QueryCursor, QueryError, Tree

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.indentation import depth_of
from localcoder.code.languages import Language

OPENING, CLOSING = "([{", ")]}"
_BEFORE, _AFTER = 24_000, 12_000
"""Characters on each side that are parsed: a parse of both takes some 3 ms (tests/benchmarks/endings.py)."""
_SLOW_S = 0.2
"""What takes longer is not what the grammar is for, or broken all over. Chosen: 60 times what a good file takes."""
_LONGEST_LINE = 2_000
_LIMIT_S = 2.0
"""Far more than any text of this size takes in its own language, on a busy machine too."""
_LITERAL = re.compile(r"string|comment|heredoc|char|regex|raw_text|template_(?!sub)|text$")
_CLOSES_ONLY = re.compile(r"\s*(?:[)\]};,]+|end|done|fi|esac)\s*$")
_GOES_ON_FROM_ABOVE = re.compile(r"\s*(?:[{:)&|]|where\b|->|\S[^\n]*,\n)[^\n]*\n")
"""A line whose beginning stands in the lines above it: the bracket of a block, the end of a head over several lines."""
_CODE_AGAIN = re.compile(r"interpolation|substitution|expansion")


@dataclass(frozen=True)
class Bracket:
    """One bracket in code. `offset` counts characters from the cursor, below 0 for those that stand before it."""

    offset: int
    character: str


@dataclass(frozen=True)
class OpenBracket:
    """A bracket that nothing has closed so far, and the white space that its line begins with."""

    character: str
    indentation: str


class Fit(Protocol):
    """One text in its surroundings; offsets count characters from its beginning."""

    @property
    def flaws(self) -> int:
        """How many errors there are in all of it; 0 is well formed."""
        ...

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """Those in code of the text, and of the line before the cursor."""
        ...

    def in_literal(self, offset: int) -> bool:
        """Whether a string or a comment that began before this offset's line goes on there."""
        ...

    def is_comment(self, offset: int) -> bool:
        """Whether a comment begins at this offset."""
        ...


class Surroundings(Protocol):
    """The code before and after the cursor."""

    @property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        """Those that are open where the cursor's line begins, the innermost last."""
        ...

    @property
    def flaws(self) -> int:
        """Errors that there are whatever the text is."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the code behind the cursor closes all brackets that are open at the cursor, by their number alone."""
        ...

    def fit(self, text: str) -> Fit:
        """Look at the text in its place."""
        ...


def cursor_line(before: str) -> str:
    """The line that has the cursor, up to it; of a very long one the end."""
    return before[max(before.rfind("\n") + 1, len(before) - _LONGEST_LINE) :]


def surroundings(language: Language, before: str, after: str) -> Surroundings:
    """By the language's grammar where there is one, else by a scanner that knows strings, comments and nesting."""
    before, after = _shortened_before(before), _shortened_after(after)
    grammar = grammar_of(language)
    # Markdown's grammar takes everything: it knows no error.
    if grammar is not None and language.name != "markdown":
        return _Watched(language, grammar, before, after)
    return _Scanned(language, before, after)


def _shortened_before(before: str) -> str:
    """The last lines, under the lines that begin the blocks they are in."""
    if len(before) <= _BEFORE:
        return before
    earliest = len(before) - _BEFORE
    match = re.compile(r"^(?=[^\s)\]}])", re.MULTILINE).search(before, earliest, len(before) - _BEFORE // 2)
    first = start = match.start() if match else before.find("\n", earliest) + 1 or earliest
    heads: list[str] = []
    depth = depth_of(before[start:].lstrip("\n").partition("\n")[0])
    while depth > 0 and start > 0:
        above = before.rfind("\n", 0, start - 1) + 1
        line, start = before[above:start], above
        if line.strip() and depth_of(line) < depth and not line.lstrip().startswith(("#", "//", "/*", "*")):
            depth = depth_of(line)
            while _GOES_ON_FROM_ABOVE.match(line) and start > 0:
                above = before.rfind("\n", 0, start - 1) + 1
                line, start = before[above:start] + line, above
            heads.insert(0, line)
    return "".join(heads) + before[first:]


def _shortened_after(after: str) -> str:
    """The first lines, above the lines that close the blocks they are in."""
    if len(after) <= _AFTER:
        return after
    end = after.rfind("\n", 0, _AFTER) + 1 or _AFTER
    shown, tails = after[:end], []
    depth = max(depth_of(shown.rstrip().rpartition("\n")[2]), depth_of(after[end:].lstrip("\n").partition("\n")[0]))
    while depth > 0 and end < len(after):
        below = after.find("\n", end) + 1 or len(after)
        line, end = after[end:below], below
        if line.strip() and depth_of(line) < depth:
            depth = depth_of(line)
            if _CLOSES_ONLY.match(line):
                tails.append(line)
    return shown + "".join(tails)


_T = TypeVar("_T")


class _Watched:
    """By the grammar until that takes long once: then the text is not what it is for, and the scanner takes over."""

    def __init__(self, language: Language, grammar: Grammar, before: str, after: str) -> None:
        self._scanned = _Scanned(language, before, after)
        self._parsed: _Parsed | None = None
        self._watch(lambda: self._start(grammar, before, after))

    @property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        return self._ask(lambda place: place.open_brackets)

    @property
    def flaws(self) -> int:
        return self._ask(lambda place: place.flaws)

    @property
    def is_closed(self) -> bool:
        return self._ask(lambda place: place.is_closed)

    def fit(self, text: str) -> Fit:
        return self._ask(lambda place: _counted(place.fit(text)))

    def _start(self, grammar: Grammar, before: str, after: str) -> None:
        self._parsed = _Parsed(grammar, before, after)
        _counted(self._parsed.fit(""))

    def _ask(self, question: Callable[[Surroundings], _T]) -> _T:
        parsed = self._parsed
        answer = self._watch(lambda: question(parsed)) if parsed is not None else None
        return answer if answer is not None else question(self._scanned)

    def _watch(self, work: Callable[[], _T]) -> _T | None:
        begun = time.perf_counter()
        answer = None
        with suppress(ValueError):
            answer = work()
        if time.perf_counter() - begun > _SLOW_S:
            self._parsed = answer = None
        return answer


def _counted(fit: Fit) -> Fit:
    """Errors are counted when it is made, as a tree of nothing else takes its time there."""
    _ = fit.flaws
    return fit


class _Parsed:
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
        return _open_brackets(self._before[:first], _brackets(self._grammar, tree, 0, first))

    @cached_property
    def is_closed(self) -> bool:
        brackets = _brackets(self._grammar, self.fit("").tree, 0, len(self._before) + len(self._after))
        return _balance(character for _, character in brackets) <= 0

    @cached_property
    def flaws(self) -> int:
        """Of the code before and after, and of the same without the cursor's line, whichever is better."""
        nothing = self.fit("").flaws
        if not nothing:
            return 0
        before = self._before[: len(self._before) - len(self._line.encode("utf-8", "replace"))]
        _, _, after = self._after.partition(b"\n")
        return min(nothing, count_errors(self._parser.parse(before + after)))

    def fit(self, text: str) -> _ParsedFit:
        data, at = text.encode("utf-8", "replace"), len(self._before)
        rows, newline = data.count(b"\n"), data.rfind(b"\n")
        column = len(data) - newline - 1 + (0 if rows else self._point.column)
        tree = self._tree.copy()
        tree.edit(at, at, at + len(data), self._point, self._point, Point(self._point.row + rows, column))
        tree = self._parser.parse(self._before + data + self._after, tree)
        return _ParsedFit(self._grammar, tree, at, self._line, text)


class _ParsedFit:
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
        found = _brackets(self._grammar, self.tree, self._first, end)
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


def _brackets(grammar: Grammar, tree: Tree, start: int, end: int) -> list[tuple[int, str]]:
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


def _balance(brackets: Iterable[str]) -> int:
    """Opening ones less closing ones."""
    return sum(1 if bracket in OPENING else -1 for bracket in brackets)


def _open_brackets(before: bytes, brackets: Iterable[tuple[int, str]]) -> tuple[OpenBracket, ...]:
    """Those of the (byte, bracket) pairs that are still open after the last one."""
    stack: list[tuple[int, str]] = []
    for byte, character in brackets:
        if character in OPENING:
            stack.append((byte, character))
        elif stack:
            stack.pop()
    found = []
    for byte, character in stack:
        line = before[before.rfind(b"\n", 0, byte) + 1 : byte].decode("utf-8", "replace")
        found.append(OpenBracket(character, line[: len(line) - len(line.lstrip())]))
    return tuple(found)


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


class _Scanned:
    """By strings, comments and nesting alone."""

    def __init__(self, language: Language, before: str, after: str) -> None:
        self._pattern = _token_pattern(language)
        self._before, self._after = before, after

    @cached_property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        before = self._before[: self._before.rfind("\n") + 1]
        found = ((match.start(), match[0]) for match in self._pattern.finditer(before) if match.lastgroup == "bracket")
        return _open_brackets(before.encode("latin-1", "replace"), found)

    @cached_property
    def is_closed(self) -> bool:
        found = self._pattern.finditer(self._before + self._after)
        return _balance(match[0] for match in found if match.lastgroup == "bracket") <= 0

    @cached_property
    def flaws(self) -> int:
        before, after = self._before[: self._before.rfind("\n") + 1], self._after.partition("\n")[2]
        return min(self.fit("").flaws, _ScannedFit(self._pattern, before, "", after).flaws)

    def fit(self, text: str) -> _ScannedFit:
        return _ScannedFit(self._pattern, self._before, text, self._after)


class _ScannedFit:
    def __init__(self, pattern: re.Pattern[str], before: str, text: str, after: str) -> None:
        self._at = len(before)
        self._line = len(before) - len(cursor_line(before))
        self._whole = before + text + after
        self._end = self._at + len(text)
        self._literals: list[tuple[int, int, bool]] = []
        self._brackets: list[tuple[int, str]] = []
        self._fences = 0
        for match in pattern.finditer(self._whole):
            if match.lastgroup == "bracket":
                self._brackets.append((match.start(), match[0]))
            elif match.lastgroup == "fence":
                self._fences += 1
            else:
                self._literals.append((match.start(), match.end(), match.lastgroup == "comment"))

    @property
    def flaws(self) -> int:
        """Brackets and fences without a partner."""
        stack: list[str] = []
        alone = 0
        for _, character in self._brackets:
            if character in OPENING:
                stack.append(character)
            elif stack and OPENING.index(stack[-1]) == CLOSING.index(character):
                stack.pop()
            else:
                alone += 1
        return alone + len(stack) + self._fences % 2

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        return tuple(
            Bracket(offset - self._at, character)
            for offset, character in self._brackets
            if self._line <= offset < self._end
        )

    def in_literal(self, offset: int) -> bool:
        start = self._whole.rfind("\n", 0, self._at + offset) + 1
        literal = self._literal(self._at + offset)
        return literal is not None and literal[0] < start

    def is_comment(self, offset: int) -> bool:
        literal = self._literal(self._at + offset)
        return literal is not None and literal[2]

    def _literal(self, position: int) -> tuple[int, int, bool] | None:
        index = bisect_right(self._literals, (position, len(self._whole), True)) - 1
        return self._literals[index] if index >= 0 and position < self._literals[index][1] else None


@cache
def _token_pattern(language: Language) -> re.Pattern[str]:
    """Comments, strings or fences of code, and brackets. A quote that is not closed on its line is an apostrophe."""
    parts = []
    if isinstance(language.comment, tuple):
        opening, closing = map(re.escape, language.comment)
        parts.append(rf"(?P<comment>{opening}(?s:.*?){closing})")
    elif language.comment:
        parts.append(rf"(?P<comment>(?<![\w$]){re.escape(language.comment)}[^\n]*)")
    if language.has_strings:
        parts.append(
            r'(?P<string>"""(?s:.*?)"""'
            r"|" + r"'''(?s:.*?)'''" + r'|"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'" + r"|`(?:\\.|[^`\\\n])*`)"
        )
    else:
        parts.append(r"(?P<fence>^[^\S\n]*(?:```|~~~))")
    parts.append(r"(?P<bracket>[()\[\]{}])")
    return re.compile("|".join(parts), re.MULTILINE)
