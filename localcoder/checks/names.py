"""Names that a file of Python neither defines nor imports, as pyflakes finds them.

pyflakes is a library, reads a parse that is there already, and executes nothing. ruff finds the same, but is a program
only: starting it takes longer than all of this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedLocal, UndefinedName

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.checks.python_text import PythonText, parse
from localcoder.code.ranges import Range

_KNOWN_TO_BE = re.compile(r"#.*\b(?:noqa|type:\s*ignore|pyright:\s*ignore)\b")
"""Whoever wrote the line knows what linters say of it."""


def find(change: Change) -> Iterator[Finding]:
    python = change.python
    if python is None or change.path is None or change.path.suffix == ".pyi":
        return
    found = list(_undefined(python, change.path.name))
    inside = [(name, where) for name, where in found if change.touches(where)]
    outside = [(name, where) for name, where in found if not change.touches(where)]
    for name, where in [*_without_known(change, inside, outside), *_caused(change, outside)]:
        yield change.finding("names", where, f"`{name}` is not defined", "The file neither defines nor imports it.")


def _undefined(python: PythonText, file: str) -> Iterator[tuple[str, Range]]:
    for message in Checker(python.tree, file).messages:
        if isinstance(message, UndefinedName | UndefinedLocal):
            name, start = str(message.message_args[0]), python.offset(message.lineno, message.col)
            line = python.whole[start:].partition("\n")[0]
            if not _KNOWN_TO_BE.search(line):
                yield name, Range(start, start + len(name))


def _without_known(
    change: Change, inside: list[tuple[str, Range]], outside: list[tuple[str, Range]]
) -> Iterator[tuple[str, Range]]:
    """Without what the file uses elsewhere just so: something that cannot be seen from here defines that."""
    known = {name for name, _ in outside}
    if any(change.is_in_before(name) for name, _ in inside):
        tree = parse(change.after)
        if tree is not None:
            whole = PythonText(change.after, tree)
            known |= {name for name, where in _undefined(whole, "") if not change.touches(where)}
    yield from ((name, where) for name, where in inside if name not in known)


def _caused(change: Change, outside: list[tuple[str, Range]]) -> Iterator[tuple[str, Range]]:
    """What was defined before the edit."""
    before = change.python_before
    if not outside or before is None:
        return
    known = Counter(name for name, _ in _undefined(before, ""))
    for name, where in outside:
        if not known[name]:
            yield name, where
