"""How a text fits into code of which there is no grammar: by strings, comments and nesting alone."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache, cached_property

from localcoder.code.brackets import CLOSING, OPENING, Bracket, OpenBracket, balance, cursor_line, open_brackets
from localcoder.code.languages import Language


class Scanned:
    """By strings, comments and nesting alone."""

    def __init__(self, language: Language, before: str, after: str) -> None:
        self._pattern = _token_pattern(language)
        self._before, self._after = before, after

    @cached_property
    def open_brackets(self) -> tuple[OpenBracket, ...]:
        before = self._before[: self._before.rfind("\n") + 1]
        found = ((match.start(), match[0]) for match in self._pattern.finditer(before) if match.lastgroup == "bracket")
        return open_brackets(before.encode("latin-1", "replace"), found)

    @cached_property
    def is_closed(self) -> bool:
        found = self._pattern.finditer(self._before + self._after)
        return balance(match[0] for match in found if match.lastgroup == "bracket") <= 0

    @cached_property
    def flaws(self) -> int:
        before, after = self._before[: self._before.rfind("\n") + 1], self._after.partition("\n")[2]
        return min(self.fit("").flaws, ScannedFit(self._pattern, before, "", after).flaws)

    def fit(self, text: str) -> ScannedFit:
        return ScannedFit(self._pattern, self._before, text, self._after)


class ScannedFit:
    def __init__(self, pattern: re.Pattern[str], before: str, text: str, after: str) -> None:
        self._at = len(before)
        self._line = len(before) - len(cursor_line(before))
        self._whole = before + text + after
        self._end = self._at + len(text)
        self._literals: list[tuple[int, int, bool]] = []
        self._brackets: list[tuple[int, str]] = []
        self._fences = 0
        for match in pattern.finditer(self._whole):
            if match.lastgroup == "bracket":
                self._brackets.append((match.start(), match[0]))
            elif match.lastgroup == "fence":
                self._fences += 1
            else:
                self._literals.append((match.start(), match.end(), match.lastgroup == "comment"))

    @property
    def flaws(self) -> int:
        """Brackets and fences without a partner."""
        stack: list[str] = []
        alone = 0
        for _, character in self._brackets:
            if character in OPENING:
                stack.append(character)
            elif stack and OPENING.index(stack[-1]) == CLOSING.index(character):
                stack.pop()
            else:
                alone += 1
        return alone + len(stack) + self._fences % 2

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        return tuple(
            Bracket(offset - self._at, character)
            for offset, character in self._brackets
            if self._line <= offset < self._end
        )

    def in_literal(self, offset: int) -> bool:
        start = self._whole.rfind("\n", 0, self._at + offset) + 1
        literal = self._literal(self._at + offset)
        return literal is not None and literal[0] < start

    def is_comment(self, offset: int) -> bool:
        literal = self._literal(self._at + offset)
        return literal is not None and literal[2]

    def _literal(self, position: int) -> tuple[int, int, bool] | None:
        index = bisect_right(self._literals, (position, len(self._whole), True)) - 1
        return self._literals[index] if index >= 0 and position < self._literals[index][1] else None


def brackets_in_text(text: str, language: Language) -> list[tuple[int, str]]:
    """(index, bracket) of those that are code, in their order."""
    found = _token_pattern(language).finditer(text)
    return [(match.start(), match[0]) for match in found if match.lastgroup == "bracket"]


@cache
def _token_pattern(language: Language) -> re.Pattern[str]:
    """Comments, strings or fences of code, and brackets. A quote that is not closed on its line is an apostrophe."""
    parts = []
    if isinstance(language.comment, tuple):
        opening, closing = map(re.escape, language.comment)
        parts.append(rf"(?P<comment>{opening}(?s:.*?){closing})")
    elif language.comment:
        parts.append(rf"(?P<comment>(?<![\w$]){re.escape(language.comment)}[^\n]*)")
    if language.has_strings:
        parts.append(
            r'(?P<string>"""(?s:.*?)"""'
            r"|" + r"'''(?s:.*?)'''" + r'|"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'" + r"|`(?:\\.|[^`\\\n])*`)"
        )
    else:
        parts.append(r"(?P<fence>^[^\S\n]*(?:```|~~~))")
    parts.append(r"(?P<bracket>[()\[\]{}])")
    return re.compile("|".join(parts), re.MULTILINE)
