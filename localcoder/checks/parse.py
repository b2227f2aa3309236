"""Whether the text still parses where it did before, by its language's grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.code.parsed import Parsed
from localcoder.code.ranges import Range

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def find(change: Change) -> Iterator[Finding]:
    near = change.near
    if near is None or not change.text.strip() or not (near.flaws or _is_broken(change, near)):
        return
    # What is near was cut out of the file: all of it has to say so.
    around = change.around
    if around is None or not _is_broken(change, around):
        return
    what, where = _first_error(change, around)
    yield change.finding(
        "parse", where if change.touches(where) else change.new, what, "Without the new text it parses."
    )


def _is_broken(change: Change, place: Parsed) -> bool:
    removed = change.before[change.replaced.start : change.replaced.end]
    before = place.fit(removed).flaws if removed else place.flaws
    if before and change.path is None:
        # What did not parse may be in another language than a text without a name is taken for.
        return False
    return place.fit(change.text).flaws > before and not _is_begun(change, place, before)


def _is_begun(change: Change, place: Parsed, allowed: int) -> bool:
    """Whether the text ends where a block begins that somebody is to write: it parses once there is one."""
    text = change.text.rstrip()
    line = (change.before[: change.replaced.start] + text).rpartition("\n")[2]
    behind = change.before[change.replaced.end :].partition("\n")[0]
    if behind.strip() or not re.search(change.language.indent_after, line):
        return False
    ends = [" pass"] if text.endswith(":") else []
    ends += [_CLOSING[text[-1]]] if text[-1] in _CLOSING else []
    return any(place.fit(text + end).flaws <= allowed for end in ends)


def _first_error(change: Change, place: Parsed) -> tuple[str, Range]:
    """The first error in the new text or behind it."""
    first, _ = change.new_bytes
    found: Node | None = None
    nodes = [place.fit(change.text).tree.root_node]
    while nodes and (found is None or not found.is_missing):
        node = nodes.pop()
        if node.end_byte >= first:
            if node.is_missing or (node.is_error and found is None):
                found = node
            nodes.extend(child for child in reversed(node.children) if child.has_error)
    if found is None:
        return "It does not parse", change.new
    what = f"`{found.type}` is missing" if found.is_missing else f"It does not parse as {change.language.label}"
    return what, change.range_of(found)
