"""How deep a line is indented."""

from __future__ import annotations

_TAB_WIDTH = 8
"""Columns, as terminals and most languages count them."""


def depth_of(line: str) -> int:
    """The columns of white space that the line begins with."""
    expanded = line.expandtabs(_TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())
