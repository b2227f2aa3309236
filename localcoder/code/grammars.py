"""tree-sitter's grammars, from the packages that hold them."""

from __future__ import annotations

import importlib
from functools import cache

from tree_sitter import Language as Grammar

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
