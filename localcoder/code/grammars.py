"""tree-sitter's grammars, from the packages that hold them."""

from __future__ import annotations

import importlib
import warnings
from functools import cache

from tree_sitter import Language as Grammar
from tree_sitter import Parser

from localcoder.code.languages import Language


@cache
def grammar_of(language: Language) -> Grammar | None:
    """The language's grammar; None where it has none, or where its package is not installed or does not load."""
    if language.grammar is None:
        return None
    try:
        module = importlib.import_module(language.grammar)
        return Grammar(getattr(module, language.function)())
    except (ImportError, AttributeError, OSError, ValueError):
        return None


def limited_parser(grammar: Grammar, limit_s: float) -> Parser:
    """A parser that raises ValueError after that long: lost in another language it may take minutes and gigabytes."""
    with warnings.catch_warnings():
        # The callback that is to replace the limit is not asked while bytes are parsed.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Parser(grammar, timeout_micros=int(limit_s * 1e6))
