"""Marks that stand in for what was cut out of a model's training text.

https://github.com/bigcode-project/bigcode-dataset/blob/main/pii/README.md: names, e-mail addresses, keys and passwords
became `<NAME>`, `<EMAIL>`, `<KEY>` and `<PASSWORD>`. As tokens of their own they are never chosen; a model can still
spell them, and a server may choose them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.code.ranges import Range

_MARK = re.compile(r"(?<![\w\])])<(NAME|EMAIL|KEY|PASSWORD)>")
"""Not what stands behind a name: that is a type's parameter."""
_MARKUP = ("html",)


def find(change: Change) -> Iterator[Finding]:
    if change.language.name in _MARKUP:
        return
    for match in _MARK.finditer(change.after, change.new.start, change.new.end):
        # A file that has them is about them.
        if match[0] not in change.before:
            where = Range(match.start(), match.end())
            yield change.finding("redactions", where, f"`{match[0]}` is to be filled in", _WHY)


_WHY = "It stands in the model's training text where something private was taken out."
