"""Which bracket belongs to which: those of code to one another, those in a string or comment to what is near them."""

from __future__ import annotations

from collections.abc import Iterable

from localcoder.code.brackets import CLOSING, OPENING
from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.languages import Language
from localcoder.code.parsed import brackets_in_tree
from localcoder.code.scanned import brackets_in_text

_LIMIT_S = 2.0
"""Far more than any text takes in its own language."""


def partner_of(text: str, index: int, language: Language) -> int | None:
    """Where the bracket that belongs to the one at `index` stands; None for one that has none, and for no bracket."""
    if text[index : index + 1] not in (*OPENING, *CLOSING):
        return None
    in_code = dict(_pairs(_brackets_of(text, language)))
    if index in in_code:
        return in_code[index]
    in_literals = ((i, character) for i, character in enumerate(text) if character in OPENING + CLOSING)
    return dict(_pairs((i, character) for i, character in in_literals if i not in in_code)).get(index)


def _brackets_of(text: str, language: Language) -> list[tuple[int, str]]:
    """(index, bracket) of those that are code."""
    grammar = grammar_of(language)
    if grammar is None:
        return brackets_in_text(text, language)
    data = text.encode("utf-8", "replace")
    try:
        tree = limited_parser(grammar, _LIMIT_S).parse(data)
    except ValueError:
        return brackets_in_text(text, language)
    found = brackets_in_tree(grammar, tree, 0, len(data))
    if len(data) == len(text):
        return found
    # Bytes that go on a character count for none.
    starts = [byte for byte, value in enumerate(data) if value & 0xC0 != 0x80]
    index_of = {byte: index for index, byte in enumerate(starts)}
    return [(index_of[byte], character) for byte, character in found]


def _pairs(brackets: Iterable[tuple[int, str]]) -> list[tuple[int, int]]:
    """Each bracket's partner, both ways."""
    pairs: list[tuple[int, int]] = []
    stack: list[tuple[int, str]] = []
    for index, character in brackets:
        if character in OPENING:
            stack.append((index, CLOSING[OPENING.index(character)]))
        elif any(closing == character for _, closing in stack):
            # What was opened since then and is not closed has no partner.
            while stack[-1][1] != character:
                stack.pop()
            opened, _ = stack.pop()
            pairs += [(opened, index), (index, opened)]
    return pairs
