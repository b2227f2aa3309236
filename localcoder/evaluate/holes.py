"""Holes in one's own code: what a programmer could be about to write, cut out of what was written.

Which holes there are, and in which order they are taken, depends on the files and the seed alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node, Tree

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.completion.document import Document
from localcoder.completion.window import CHARACTERS_PER_TOKEN
from localcoder.errors import LocalcoderError
from localcoder.evaluate.own_code import OwnFile

Kind = Literal["rest", "line", "block", "function", "call", "lines", "span", "control", "api"]
KINDS: tuple[Kind, ...] = ("rest", "line", "block", "function", "call")
"""Those that are cut here; suites have others."""
KIND_NAMES: dict[Kind, str] = {
    "rest": "rest of a line",
    "line": "whole line",
    "lines": "several lines",
    "span": "any span",
    "block": "block",
    "function": "function body",
    "call": "call arguments",
    "control": "control-flow expression",
    "api": "API call",
}
Names = Literal["any", "elsewhere", "here"]
NAMES: tuple[Names, ...] = ("any", "elsewhere", "here")

_PARSE_S = 2.0
_SHORTEST_MIDDLE = 2
"""Characters that are not white space."""
_SHORTEST_NAME = 3
_FUNCTION = re.compile(r"function|method|constructor|func_|closure|lambda")
_BLOCK = re.compile(r"block|body|statement|suite|then|do_group")
_INNER_FIELDS = ("body", "consequence", "alternative")
_NO_CODE = re.compile(r"comment|string|heredoc|char|regex|raw_text|template")
_NAME = re.compile(r"identifier|^name$|^constant$|word")
_DEFINES = re.compile(r"function|method|class|struct|enum|interface|trait|module|type_|macro")
_DEFINES_AT_TOP = re.compile(r"assignment|declarator|declaration|_item$|_spec$")
"""Inside of a function these define what nobody else can name."""


@dataclass(frozen=True)
class Hole:
    """`text[start:end]` of a file, cut out. `names_elsewhere`: it uses names that other files define, and not its own;
    None where there are no other files.

    Holes with the same `place` are in the same line.
    """

    kind: Kind
    file: OwnFile
    start: int
    end: int
    names_elsewhere: bool | None

    @property
    def middle(self) -> str:
        return self.file.text[self.start : self.end]

    @property
    def document(self) -> Document:
        text = self.file.text
        return Document(text[: self.start] + text[self.end :], self.start, self.file.path)

    @property
    def line(self) -> int:
        """Counted from 1."""
        return self.file.text.count("\n", 0, self.start) + 1

    @property
    def where(self) -> str:
        return f"{self.file.name}:{self.line}"

    @property
    def key(self) -> str:
        """The same for the same hole in the same text under the same path."""
        return _hash(self.file.name, self.file.sha256, self.kind, self.start, self.end)


def cut(
    files: Sequence[OwnFile],
    *,
    seed: int = 0,
    kinds: Sequence[Kind] = KINDS,
    names: Names = "any",
    max_tokens: int = 96,
) -> list[Hole]:
    """All holes, in the order in which they are to be taken: the kinds by turns, each from anywhere in the code.

    No hole is longer than what `max_tokens` can fill. Raises LocalcoderError (exit code 2) when there is none.
    """
    trees = {file.sha256: tree for file in files if (tree := _parse(file)) is not None}
    defined = {file.sha256: _defined(trees[file.sha256]) for file in files if file.sha256 in trees}
    everywhere: dict[str, set[str]] = defaultdict(set)
    for sha256, found in defined.items():
        for name in found:
            everywhere[name].add(sha256)
    longest = int(max_tokens * CHARACTERS_PER_TOKEN)
    queues: dict[Kind, list[tuple[str, Hole]]] = {kind: [] for kind in kinds}
    for file in files:
        if (tree := trees.get(file.sha256)) is None:
            continue
        elsewhere = {name for name, files_of in everywhere.items() if files_of - {file.sha256}} - defined[file.sha256]
        for kind, start, end in _spans(file, tree, seed):
            end = start + len(file.text[start:end].rstrip())
            middle = file.text[start:end]
            is_fit = len(middle) <= longest and len("".join(middle.split())) >= _SHORTEST_MIDDLE
            if kind not in queues or not is_fit:
                continue
            hole = Hole(kind, file, start, end, not elsewhere.isdisjoint(re.findall(r"\w+", middle)))
            if names == "any" or hole.names_elsewhere == (names == "elsewhere"):
                # A line's holes come together: their prompts end in the same text.
                place = end if kind in ("rest", "line") else (kind, start, end)
                queues[kind].append((_hash(seed, file.sha256, place), hole))
    taken = [[hole for _, hole in sorted(queue, key=lambda item: item[0])] for queue in queues.values()]
    holes = [
        hole for turn in range(max(map(len, taken), default=0)) for queue in taken for hole in queue[turn : turn + 1]
    ]
    if not holes:
        what = "names from other files" if names == "elsewhere" else "anything"
        raise LocalcoderError(f"No place was found to cut {what} out of.", "Name a larger repository.", exit_code=2)
    return holes


def reading_order(holes: Sequence[Hole]) -> list[Hole]:
    """File by file from top to bottom, those that end at the same place together.

    With the code behind the cursor first, prompts that end there share all of it; with the code before it first, a
    prompt begins with the one before.
    """
    return sorted(holes, key=lambda hole: (hole.file.name, hole.end, hole.start, hole.kind))


def _parse(file: OwnFile) -> Tree | None:
    grammar = grammar_of(file.language)
    assert grammar is not None
    # In another language than its name says it may take too long.
    with suppress(ValueError):
        return limited_parser(grammar, _PARSE_S).parse(file.text.encode())
    return None


def _spans(file: OwnFile, tree: Tree, seed: int) -> Iterator[tuple[Kind, int, int]]:
    """(kind, start, end) in characters, without the holes that errors are in."""
    offset = _character_offsets(file.text)
    leaves: dict[int, list[Node]] = defaultdict(list)
    for node in _nodes(tree.root_node):
        if node.is_error or node.is_missing:
            continue
        if node.child_count == 0 and node.end_byte > node.start_byte:
            leaves[node.start_point.row].append(node)
        for kind, start, end in _inner(node):
            yield kind, offset[start], offset[end]
    for row, nodes in leaves.items():
        first, last = nodes[0], nodes[-1]
        has_errors = any(node.parent is not None and node.parent.is_error for node in nodes)
        is_within_row = last.end_point.row == row
        if has_errors or not is_within_row or any(_is_in_literal(node) for node in (first, last)):
            continue
        text = file.text[offset[first.start_byte] : offset[last.end_byte]]
        if not re.search(r"\w\W*\w", text):
            continue
        yield "line", offset[first.start_byte], offset[last.end_byte]
        cuts = [node for node in nodes[1:] if not _is_in_literal(node)]
        if cuts:
            chosen = cuts[int(_hash(seed, file.sha256, row), 16) % len(cuts)]
            yield "rest", offset[chosen.start_byte], offset[last.end_byte]


def _inner(node: Node) -> Iterator[tuple[Kind, int, int]]:
    """What stands in a function, a block or a call, in bytes."""
    if (arguments := node.child_by_field_name("arguments")) is not None and not arguments.has_error:
        inside = arguments.children[1:-1]
        if inside and arguments.children[0].type == "(" and arguments.children[-1].type == ")":
            yield "call", inside[0].start_byte, inside[-1].end_byte
    for field in _INNER_FIELDS:
        inner = node.child_by_field_name(field)
        if inner is None or inner.has_error or not _BLOCK.search(inner.type) or not inner.named_children:
            continue
        children = inner.named_children
        is_function = _FUNCTION.search(node.type) is not None
        if is_function and field == "body" and len(children) > 1 and _is_docstring(children[0]):
            children = children[1:]
        # A body without brackets of its own is one statement, and no block.
        if is_function or inner.type.endswith(("block", "body", "compound_statement", "suite")):
            yield ("function" if is_function else "block"), children[0].start_byte, children[-1].end_byte


def _is_docstring(node: Node) -> bool:
    return node.type == "expression_statement" and [child.type for child in node.named_children] == ["string"]


def _is_in_literal(node: Node) -> bool:
    """Whether a leaf is a part of a string or a comment, not its first mark."""
    parent: Node | None = node if "comment" in node.type else node.parent
    while parent is not None and parent.parent is not None:
        if _NO_CODE.search(parent.type):
            return parent.start_byte < node.start_byte or "comment" in parent.type
        parent = parent.parent
    return False


def _defined(tree: Tree) -> set[str]:
    """The names that a file defines, without those that are local to a function."""
    found = set()
    for node in _nodes(tree.root_node):
        if not node.is_named:
            continue
        if not _DEFINES.search(node.type) and not (_DEFINES_AT_TOP.search(node.type) and not _is_local(node)):
            continue
        for field in ("name", "declarator", "left"):
            name = node.child_by_field_name(field)
            if name is not None and name.child_count == 0 and _NAME.search(name.type) and name.text is not None:
                found.add(name.text.decode("utf-8", "replace"))
    return {name for name in found if len(name) >= _SHORTEST_NAME}


def _is_local(node: Node) -> bool:
    parent = node.parent
    while parent is not None:
        if _FUNCTION.search(parent.type):
            return True
        parent = parent.parent
    return False


def _nodes(root: Node) -> Iterator[Node]:
    """All nodes, each before its children."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _character_offsets(text: str) -> Sequence[int]:
    """For each byte of the UTF-8 text the number of the character that it belongs to; one more for the end."""
    if text.isascii():
        return range(len(text) + 1)
    offsets = [number for number, character in enumerate(text) for _ in character.encode()]
    return [*offsets, len(text)]


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
