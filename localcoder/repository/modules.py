"""Files that modules are in, and what a name in a module means: what the languages have in common."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from localcoder.code.imports import Import
from localcoder.code.languages import language_of
from localcoder.code.outline import Definition, Outline, outline

LARGEST_BYTES = 4 << 20
"""Of a file that is looked into: declarations of a whole library are in one file now and then."""


@dataclass(frozen=True)
class Found:
    """A definition in a file; `definition` is None for a module as a whole.

    `origin` is repository, library or standard library; `name` the file as it is shown, `library` what it was
    installed with.
    """

    path: Path
    definition: Definition | None
    origin: str
    name: str
    library: str = ""


class Modules(Protocol):
    """How one language finds what is imported."""

    def imported(self, file: Path, each: Import) -> Found | None:
        """What an import in the file names."""
        ...

    def member(self, found: Found, name: str) -> Found | None:
        """What a module or a class has by that name."""
        ...


def follow(modules: Modules, found: Found | None, names: Sequence[str]) -> tuple[Found | None, int]:
    """What is reached by asking for one name after the other, and how many of them were found."""
    for number, name in enumerate(names):
        further = None if found is None else modules.member(found, name)
        if further is None:
            return found, number
        found = further
    return found, len(names)


def outline_of(path: Path) -> Outline:
    """What stands in a file; nothing where it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return _NOTHING
    return _outline_of(path, found.st_mtime_ns, found.st_size)


_NOTHING = Outline()


@lru_cache(maxsize=512)
def _outline_of(path: Path, mtime_ns: int, size_bytes: int) -> Outline:
    if size_bytes > LARGEST_BYTES:
        return _NOTHING
    with suppress(OSError):
        return outline(path.read_text("utf-8", "replace"), language_of(path))
    return _NOTHING


def best(definitions: Sequence[Definition]) -> Definition | None:
    """Of those with one name: what is called before what is a value, as a value is what stands in for it.

    What is overloaded is there as a whole, too, unless it is only declared.
    """
    kinds = {"function": 0, "class": 0, "type": 1}

    def order(each: Definition) -> tuple[int, bool]:
        return kinds.get(each.kind, 2), each.signature.partition("\n")[0].endswith("overload")

    return min(definitions, key=order, default=None)
