"""All checks on one change. They look, and never stand in the way: a check that fails finds nothing.

What they need is imported when there is something to look at: the app's first frame comes earlier.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from localcoder.checks.finding import Finding
from localcoder.code.ranges import Range
from localcoder.errors import LocalcoderError

if TYPE_CHECKING:
    from localcoder.checks.change import Change

CHECKS = ("parse", "imports", "names", "insecure", "redactions", "secrets", "copies")
"""Each is a module here."""

_log = logging.getLogger(__name__)


class Check(Protocol):
    """A module of this package."""

    def find(self, change: Change) -> Iterator[Finding]:
        """What is to be distrusted in the new text, or because of it, and was not there before."""
        ...


def look_at(before: str, replaced: Range, text: str, path: Path | None) -> tuple[Finding, ...]:
    """What is to be distrusted in `text`, which takes the place of what stands at `replaced` in `before`.

    The repository's index is asked if there is one. Takes some hundredths of a second, the first time some tenths.
    """
    from localcoder.checks.change import Change
    from localcoder.repository.index import Index, has_index

    change = Change(before, replaced, text, path)
    if not text.strip():
        return ()
    with ExitStack() as stack:
        try:
            if change.root is not None and has_index(change.root):
                change = replace(change, index=stack.enter_context(Index(change.root)))
        except (LocalcoderError, OSError, ValueError):
            # ValueError: a client's name for a file need not be one.
            _log.debug("There is no index to ask", exc_info=True)
        return check(change)


def check(change: Change, names: tuple[str, ...] = CHECKS) -> tuple[Finding, ...]:
    """What those checks find, in the order of the text. Nothing is executed."""
    found = [finding for name in names for finding in _find(name, change)]
    return tuple(sorted(found, key=lambda finding: (finding.range.start, finding.range.end)))


def _find(name: str, change: Change) -> list[Finding]:
    try:
        module = cast(Check, importlib.import_module(f"localcoder.checks.{name}"))
        return list(module.find(change))
    except Exception:
        _log.debug("The check %s failed", name, exc_info=True)
        return []
