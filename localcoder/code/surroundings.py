"""How a text fits between the code before it and the code after it: what of it is brackets, what stands in strings or
comments, and how well the three parse together.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from tree_sitter import Language as Grammar

from localcoder.code.brackets import Bracket, OpenBracket
from localcoder.code.grammars import grammar_of
from localcoder.code.indentation import depth_of
from localcoder.code.languages import Language
from localcoder.code.parsed import Parsed
from localcoder.code.scanned import Scanned

_BEFORE, _AFTER = 24_000, 12_000
"""Characters on each side that are parsed. Chosen so that a parse of both takes a few milliseconds."""
_SLOW_S = 0.2
"""What takes longer is not what the grammar is for, or broken all over. Chosen: 60 times what a good file takes."""
_CLOSES_ONLY = re.compile(r"\s*(?:[)\]};,]+|end|done|fi|esac)\s*$")
_GOES_ON_FROM_ABOVE = re.compile(r"\s*(?:[{:)&|]|where\b|->|\S[^\n]*,\n)[^\n]*\n")
"""A line whose beginning stands in the lines above it: the bracket of a block, the end of a head over several lines."""


class Fit(Protocol):
    """One text in its surroundings; offsets count characters from its beginning."""

    @property
    def flaws(self) -> int:
        """How many errors there are in all of it; 0 is well formed."""
        ...

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """Those in code of the text, and of the line before the cursor."""
        ...

    def in_literal(self, offset: int) -> bool:
        """Whether a string or a comment that began before this offset's line goes on there."""
        ...

    def is_comment(self, offset: int) -> bool:
        """Whether a comment begins at this offset."""
        ...


class Surroundings(Protocol):
    """The code before and after the cursor."""

    @property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        """Those that are open where the cursor's line begins, the innermost last."""
        ...

    @property
    def flaws(self) -> int:
        """Errors that there are whatever the text is."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the code behind the cursor closes all brackets that are open at the cursor, by their number alone."""
        ...

    def fit(self, text: str) -> Fit:
        """Look at the text in its place."""
        ...


def surroundings(language: Language, before: str, after: str) -> Surroundings:
    """By the language's grammar where there is one, else by a scanner that knows strings, comments and nesting."""
    before, after = shortened(before, after)
    grammar = grammar_of(language)
    # Markdown's grammar takes everything: it knows no error.
    if grammar is not None and language.name != "markdown":
        return _Watched(language, grammar, before, after)
    return Scanned(language, before, after)


def shortened(before: str, after: str) -> tuple[str, str]:
    """What is parsed of the code before and after the cursor: the lines near it, and those around their blocks."""
    return _shortened_before(before), _shortened_after(after)


def _shortened_before(before: str) -> str:
    """The last lines, under the lines that begin the blocks they are in."""
    if len(before) <= _BEFORE:
        return before
    earliest = len(before) - _BEFORE
    match = re.compile(r"^(?=[^\s)\]}])", re.MULTILINE).search(before, earliest, len(before) - _BEFORE // 2)
    first = start = match.start() if match else before.find("\n", earliest) + 1 or earliest
    heads: list[str] = []
    depth = depth_of(before[start:].lstrip("\n").partition("\n")[0])
    while depth > 0 and start > 0:
        above = before.rfind("\n", 0, start - 1) + 1
        line, start = before[above:start], above
        if line.strip() and depth_of(line) < depth and not line.lstrip().startswith(("#", "//", "/*", "*")):
            depth = depth_of(line)
            while _GOES_ON_FROM_ABOVE.match(line) and start > 0:
                above = before.rfind("\n", 0, start - 1) + 1
                line, start = before[above:start] + line, above
            heads.insert(0, line)
    return "".join(heads) + before[first:]


def _shortened_after(after: str) -> str:
    """The first lines, above the lines that close the blocks they are in."""
    if len(after) <= _AFTER:
        return after
    end = after.rfind("\n", 0, _AFTER) + 1 or _AFTER
    shown, tails = after[:end], []
    depth = max(depth_of(shown.rstrip().rpartition("\n")[2]), depth_of(after[end:].lstrip("\n").partition("\n")[0]))
    while depth > 0 and end < len(after):
        below = after.find("\n", end) + 1 or len(after)
        line, end = after[end:below], below
        if line.strip() and depth_of(line) < depth:
            depth = depth_of(line)
            if _CLOSES_ONLY.match(line):
                tails.append(line)
    return shown + "".join(tails)


_T = TypeVar("_T")


class _Watched:
    """By the grammar until that takes long once: then the text is not what it is for, and the scanner takes over."""

    def __init__(self, language: Language, grammar: Grammar, before: str, after: str) -> None:
        self._scanned = Scanned(language, before, after)
        self._parsed: Parsed | None = None
        self._watch(lambda: self._start(grammar, before, after))

    @property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        return self._ask(lambda place: place.open_brackets)

    @property
    def flaws(self) -> int:
        return self._ask(lambda place: place.flaws)

    @property
    def is_closed(self) -> bool:
        return self._ask(lambda place: place.is_closed)

    def fit(self, text: str) -> Fit:
        return self._ask(lambda place: _counted(place.fit(text)))

    def _start(self, grammar: Grammar, before: str, after: str) -> None:
        self._parsed = Parsed(grammar, before, after)
        _counted(self._parsed.fit(""))

    def _ask(self, question: Callable[[Surroundings], _T]) -> _T:
        parsed = self._parsed
        answer = self._watch(lambda: question(parsed)) if parsed is not None else None
        return answer if answer is not None else question(self._scanned)

    def _watch(self, work: Callable[[], _T]) -> _T | None:
        begun = time.perf_counter()
        answer = None
        with suppress(ValueError):
            answer = work()
        if time.perf_counter() - begun > _SLOW_S:
            self._parsed = answer = None
        return answer


def _counted(fit: Fit) -> Fit:
    """Errors are counted when it is made, as a tree of nothing else takes its time there."""
    _ = fit.flaws
    return fit
