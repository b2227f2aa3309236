"""The language of a text without a name, as editors send it."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.languages import PLAIN, Language, by_name, language_of

_LOOKED_AT = 1_500
"""Characters at the beginning and behind the cursor that decide."""
_STRICT = ["python", "go", "rust", "java", "c", "cpp", "javascript", "typescript", "csharp", "lua", "ruby"]
"""Languages whose grammars refuse what is not theirs; of those that refuse least, the first is taken. The grammars of
HTML, PHP, Kotlin, shell, Markdown and YAML take anything; HTML and PHP are known by how a text begins."""
_ODD_TOKENS_A_LINE = 1.0
"""A text with more tokens than this that fit nowhere is no program in any of them."""
_LIMIT_S = 0.5
"""A grammar that takes longer is lost in what is not its language."""


def language_at(path: Path | None, text: str, cursor: int) -> Language:
    """The language by the file's name or its first line; for a text without a name by what parses it best."""
    first_line = text.partition("\n")[0]
    if path is not None or first_line.startswith("#!") or not text.strip():
        return language_of(path, first_line)
    # Without the cursor's line, so that a guess lasts while someone types in it.
    line = text.rfind("\n", 0, cursor) + 1
    return _guess(text[: min(line, _LOOKED_AT)], text[text.find("\n", cursor) + 1 or len(text) :][:_LOOKED_AT])


@lru_cache(maxsize=256)
def _guess(head: str, behind: str) -> Language:
    begins = (head + behind).lstrip()
    if begins.startswith("<?php"):
        return by_name("php")
    if begins.startswith(("<!", "<html")):
        return by_name("html")
    sample = head + behind
    # Python and JavaScript take a value in JSON for an expression.
    if begins.startswith(("{", "[")) and _odd_tokens(by_name("json"), sample.encode("utf-8", "replace")) == 0:
        return by_name("json")
    found = [(_odd_tokens(by_name(name), sample.encode("utf-8", "replace")), name) for name in _STRICT]
    fewest, name = min(found, key=lambda item: item[0])
    return by_name(name) if fewest <= _ODD_TOKENS_A_LINE * (sample.count("\n") + 2) else PLAIN


def _odd_tokens(language: Language, text: bytes) -> float:
    """How many tokens fit nowhere in the language, or are missing."""
    grammar = grammar_of(language)
    if grammar is None:
        return math.inf
    try:
        tree = limited_parser(grammar, _LIMIT_S).parse(text)
    except ValueError:
        return math.inf
    count = 0
    nodes = [tree.root_node] if tree.root_node.has_error else []
    while nodes:
        node = nodes.pop()
        count += node.is_missing + (1 + node.child_count if node.is_error else 0)
        nodes.extend(child for child in node.children if child.has_error)
    return count
