"""Where SAFIM's own program cuts off what a model says: the rules of its `prompt_utils.py`, commit 9543286.

It parses with grammars of 2023; here they are the newer ones that the editor uses. HumanEval-Infilling cuts nothing: a
text ends where the model ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from tree_sitter import Language as Grammar
from tree_sitter import Tree

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.evaluate.suites.tasks import SuiteTask

_PARSE_S = 2.0
_EVENTS_OF_PASS = 4
"""`pass` in the hole is a statement and its word, each entered and left."""

_Event = tuple[bool, str]
"""Whether a node is entered or left, and its type."""


def truncated(task: SuiteTask, text: str) -> str:
    """What of the text counts, by the suite's own rule for this task."""
    match task.rule:
        case "block":
            return _until_block(task, text)
        case "control":
            return _first_line(text) if task.language.name == "python" else _before_closing(text)
        case "api":
            return _through_call(text)
        case "none":
            return text


def _first_line(text: str) -> str:
    """`truncate_to_first_line`: the first that is not blank."""
    return next((line for line in text.splitlines() if line.strip()), "")


def _before_closing(text: str) -> str:
    """`truncate_control`: up to a bracket that was not opened in it."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return text[:place]
    return text


def _through_call(text: str) -> str:
    """`truncate_api_call`: with the bracket that closes the first call."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth <= 0:
            return text[: place + 1]
    return text


def _until_block(task: SuiteTask, text: str) -> str:
    """`truncate_line_until_block`: as many lines as parse, and leave the code around them the tree that it has with an
    empty block there.
    """
    grammar = grammar_of(task.language)
    if grammar is None:
        return text
    is_python = task.language.name == "python"
    around, _ = _parsed(grammar, task.program("pass" if is_python else ""))
    lines = text.splitlines(keepends=True)
    while lines:
        own, is_flawed = _parsed(grammar, task.program("".join(lines)))
        if not is_flawed and len(own) >= len(around):
            before, after = _shared(around, own)
            if len(around) - before - after == (_EVENTS_OF_PASS if is_python else 0):
                break
        lines.pop()
    return "".join(lines)


def _shared(first: Sequence[_Event], second: Sequence[_Event]) -> tuple[int, int]:
    """How many events are the same from the beginning on, and from the end."""
    return _same(first, second), _same(first[::-1], second[::-1])


def _same(first: Sequence[_Event], second: Sequence[_Event]) -> int:
    pairs = zip(first, second, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def _parsed(grammar: Grammar, program: str) -> tuple[list[_Event], bool]:
    """(the tree as events, whether something in it is an error other than a semicolon)"""
    # A text on which the parser gets lost is no block.
    with suppress(ValueError):
        tree = limited_parser(grammar, _PARSE_S).parse(program.encode())
        events, is_flawed = [], False
        for is_entered, kind, text in _events(tree):
            events.append((is_entered, kind))
            is_flawed = is_flawed or (is_entered and kind == "ERROR" and text != b";")
        return events, is_flawed
    return [], True


def _events(tree: Tree) -> Iterator[tuple[bool, str, bytes | None]]:
    """Each node as it is entered, with its text if it is an error, and as it is left."""
    cursor = tree.walk()
    is_going_down = True
    while True:
        node = cursor.node
        assert node is not None
        if is_going_down:
            yield True, node.type, node.text if node.type == "ERROR" else None
            if cursor.goto_first_child():
                continue
        yield False, node.type, None
        is_going_down = cursor.goto_next_sibling()
        if not is_going_down and not cursor.goto_parent():
            return
