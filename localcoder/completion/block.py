"""The block that the cursor is in: which lines of a generated text belong to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from localcoder.code.brackets import OPENING, OpenBracket
from localcoder.code.indentation import depth_of
from localcoder.code.languages import Language
from localcoder.code.surroundings import Fit

_CLOSES = re.compile(r"[)\]}]|</|(?:end|done|fi|esac|until)\b|```|~~~|\"\"\"|'''")
"""How a line begins that closes a block."""
_DOCSTRING = re.compile(r"""(?<=:)\s*(\"{3}(?:(?!\"{3}).)*\"{3}|'{3}(?:(?!'{3}).)*'{3})\s*\Z""", re.DOTALL)
"""Behind what opens a block; something has still to be in it."""
_GOES_ON = re.compile(
    r"(?:else|elif|elsif|elseif|except|finally|catch|case|default|rescue|ensure|when|in|then|do|while|where|and|or)\b"
    r"|[.,?:&|+*/={<>-]|#\s*(?:if|else|elif|endif|define)"
)
"""How a line begins that goes on with a statement, though it is not indented more than its first line."""


def is_at_empty_block(prefix: str, suffix: str, language: Language) -> bool:
    """Whether the cursor stands in a blank line where a block was opened and nothing is in it yet."""
    above, _, line = prefix.rpartition("\n")
    rest, _, below = suffix.partition("\n")
    if language.name == "python":
        above = _DOCSTRING.sub("", above)
    head = above.rstrip().rpartition("\n")[2]
    if line.strip() or rest.strip() or not re.search(language.indent_after, head):
        return False
    following = next((each for each in below.split("\n") if each.strip()), "")
    return not following or depth_of(following) <= depth_of(head)


@dataclass(frozen=True)
class Closing:
    """A bracket of the text, at `offset`, that closes one which stood open before the cursor."""

    offset: int
    opened: OpenBracket


@dataclass(frozen=True)
class Nesting:
    """`depth` brackets are open where the text's last line begins; `closed` are those of before the cursor that the
    line closes."""

    depth: int
    closed: tuple[Closing, ...]


class Block:
    """The block that the cursor is in, by indentation, and what of it was closed.

    When there is code in the cursor's line, the block is what this line begins: the lines indented more. When it is
    blank, the block is the one that the first line of the text is in.
    """

    def __init__(self, line: str, language: Language, open_brackets: Sequence[OpenBracket]) -> None:
        self._line = line
        self._open_brackets = open_brackets
        self._by_indentation = language.by_indentation
        self._ends_by_word = language.ends_by_word
        self._is_head = re.search(language.indent_after, line) is not None
        self._is_own_line = self._is_known = bool(line.strip())
        self._indent = depth_of(line)
        self._has_deeper = False
        self._over: int | None = None

    def nesting(self, fit: Fit, start: int) -> Nesting:
        """What the brackets of the text up to the fit's end do; `start` is where its last line begins."""
        stack = [(bracket, -len(self._line) - 1) for bracket in self._open_brackets]
        closed: list[Closing] = []
        indentation = self._line[: len(self._line) - len(self._line.lstrip())]
        depth: int | None = None
        for bracket in fit.brackets:
            if bracket.offset >= start and depth is None:
                depth = self._depth(stack)
            if bracket.character in OPENING:
                stack.append((OpenBracket(bracket.character, indentation), bracket.offset))
            elif stack:
                opened, at = stack.pop()
                if at < 0 <= bracket.offset and bracket.offset >= start:
                    closed.append(Closing(bracket.offset, opened))
        reopened = sum(1 for _, at in stack if at >= start)
        # A line that opens as many as it closes (`} else {`) closes nothing.
        return Nesting(self._depth(stack) if depth is None else depth, tuple(closed) if len(closed) > reopened else ())

    def _depth(self, stack: Sequence[tuple[OpenBracket, int]]) -> int:
        """How many of the open brackets allow their lines any indentation."""
        return len(stack) if self._by_indentation else sum(1 for _, at in stack if at >= -len(self._line))

    def closed(self, closing: Closing) -> None:
        """The text rightly closes what stood open: the block is now the one of the line that opened it."""
        indent = depth_of(closing.opened.indentation + ".")
        self._is_head = False
        if self._by_indentation:
            self._indent, self._is_own_line, self._is_known, self._has_deeper = indent, True, True, False
        elif closing.opened.character == "{":
            self._over = indent

    def ended(self, line: str) -> None:
        """A line that is shown closes the block."""
        self._over = depth_of(line)

    def seen(self, line: str, *, is_first: bool) -> None:
        """The line belongs to the block."""
        indent = depth_of((self._line if is_first else "") + line)
        if not self._is_known:
            self._indent, self._is_known = indent, True
        elif not is_first:
            self._has_deeper = self._has_deeper or indent > self._indent

    def may_end_at(self, line: str) -> bool:
        """Whether a line that begins so could be the first that is not shown."""
        text = line.strip()
        return not text or not self._is_known or depth_of(line) <= self._indent or _CLOSES.match(text) is not None

    def judge(self, line: str, depth: int, *, after_blank: bool) -> Literal["in", "closes", "leaves", "follows"]:
        """Whether the line is in the block, closes or leaves it, or follows what is complete but may go on.

        `depth`: brackets open in which lines may be indented anyhow.
        """
        if depth > 0 or not self._is_known:
            return "in"
        indent, text = depth_of(line), line.strip()
        closes, goes_on = _CLOSES.match(text) is not None, _GOES_ON.match(text) is not None
        if indent < self._indent and self._by_indentation:
            return "closes" if closes else "follows" if self._ends_by_word else "leaves"
        if self._over is not None and indent <= self._over and not goes_on:
            return "closes" if closes else "follows"
        if indent == self._indent and not closes and not goes_on:
            if self._has_deeper and self._is_own_line:
                return "leaves" if self._is_head else "follows"
            if after_blank and (self._is_own_line or (indent == 0 and self._has_deeper)):
                return "follows"
        return "in"
