"""A text and what it becomes: what all checks look at, parsed once for all of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from tree_sitter import Language as Grammar
from tree_sitter import Node

from localcoder.checks.finding import Finding
from localcoder.checks.python_text import PythonText, python_text
from localcoder.code.grammars import grammar_of
from localcoder.code.languages import Language, language_of
from localcoder.code.parsed import Parsed
from localcoder.code.ranges import Range
from localcoder.code.repository import root_of
from localcoder.code.surroundings import shortened
from localcoder.repository.index import Index

_WITHOUT_ERRORS = ("markdown", "plain")
"""Languages in which every text is well formed."""


@dataclass(frozen=True)
class Change:
    """In `before`, `text` is put in the place of what stands at `replaced`. `path` says whose text it is, None for an
    unnamed buffer; `index` is that of the repository, if there is one.
    """

    before: str
    replaced: Range
    text: str
    path: Path | None = None
    index: Index | None = None

    @cached_property
    def after(self) -> str:
        return self.before[: self.replaced.start] + self.text + self.before[self.replaced.end :]

    @property
    def new(self) -> Range:
        """Where the new text stands in `after`."""
        return Range(self.replaced.start, self.replaced.start + len(self.text))

    @cached_property
    def new_lines(self) -> Range:
        """The whole lines of `after` that the new text is in."""
        start = self.after.rfind("\n", 0, self.new.start) + 1
        end = self.after.find("\n", self.new.end)
        return Range(start, end if end >= 0 else len(self.after))

    @cached_property
    def language(self) -> Language:
        return language_of(self.path, self.after.partition("\n")[0])

    @cached_property
    def root(self) -> Path | None:
        """The top folder of the repository, else the file's own; None for an unnamed buffer."""
        return None if self.path is None else root_of(self.path) or self.path.absolute().parent

    @property
    def path_in_index(self) -> PurePosixPath | None:
        """By what name the index has the file; None without an index, or a name."""
        if self.path is None or self.index is None:
            return None
        return PurePosixPath(Path(os.path.relpath(self.path.absolute(), self.index.root)).as_posix())

    def finding(self, check: str, where: Range, what: str, why: str) -> Finding:
        """What a check says of a place in `after`."""
        line, start = self.after.count("\n", 0, where.start) + 1, self.after.rfind("\n", 0, where.start)
        return Finding(check, where, line, where.start - start, what, why)

    def touches(self, place: Range) -> bool:
        """Whether some of that place in `after` is new."""
        return place.start < self.new.end and place.end > self.new.start

    @cached_property
    def python(self) -> PythonText | None:
        """What is around the new text, as Python parses it; None in other languages, and where it does not parse."""
        return python_text(self.after, self.new) if self.language.name == "python" else None

    @cached_property
    def python_before(self) -> PythonText | None:
        """The same of the text before."""
        return python_text(self.before, self.replaced) if self.language.name == "python" else None

    @cached_property
    def near(self) -> Parsed | None:
        """The code near the edit, by its language's grammar; None where there is none."""
        grammar = self._grammar
        return None if grammar is None else Parsed(grammar, *self._near)

    @cached_property
    def around(self) -> Parsed | None:
        """All of the code before and behind the edit."""
        whole = self.before[: self.replaced.start], self.before[self.replaced.end :]
        if whole == self._near:
            return self.near
        grammar = self._grammar
        return None if grammar is None else Parsed(grammar, *whole)

    @cached_property
    def data(self) -> bytes:
        """What the grammar parses: `after`, in UTF-8."""
        return self.after.encode("utf-8", "replace")

    @cached_property
    def new_bytes(self) -> tuple[int, int]:
        """Where the new text stands in `data`."""
        start = len(self.after[: self.new.start].encode("utf-8", "replace"))
        return start, start + len(self.text.encode("utf-8", "replace"))

    def range_of(self, node: Node) -> Range:
        """Where in `after` a part of the tree stands."""
        start, end = (len(self.data[:byte].decode("utf-8", "ignore")) for byte in (node.start_byte, node.end_byte))
        return Range(start, end)

    @cached_property
    def _grammar(self) -> Grammar | None:
        return None if self.language.name in _WITHOUT_ERRORS else grammar_of(self.language)

    @cached_property
    def _near(self) -> tuple[str, str]:
        return shortened(self.before[: self.replaced.start], self.before[self.replaced.end :])

    def is_in_before(self, word: str) -> bool:
        """Whether a word is in the text before."""
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.before) is not None
