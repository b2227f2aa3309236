"""Where a generated text ends: what of it is shown between the code before the cursor and the code behind it.

Text comes in pieces. At each end of a line, and when the model ends, some rules propose an end: the text repeats what
stands behind the cursor, leaves the block, closes what the code behind the cursor closes already, or goes round in
circles. A proposal is judged by how the code before the cursor, the text up to there, and the code behind it parse
together. Until that is decided the text in question is held back, so that what was shown is never taken back.

    before: `print(`   text: `len(x))⏎print(`   behind: `)⏎`     shown: `len(x)`
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from localcoder.code.brackets import CLOSING, OPENING, cursor_line
from localcoder.code.guess import language_at
from localcoder.code.surroundings import Fit, surroundings
from localcoder.completion.block import Block
from localcoder.completion.document import Document
from localcoder.completion.repetition import Loop, Repetition
from localcoder.completion.word_loop import WordLoop

Mode = Literal["line", "block", "free"]
MODES: tuple[Mode, ...] = ("line", "block", "free")

REPEATED_LINES, REPEATED_CHARACTERS = 2, 40
"""What has to be said again of the code behind the cursor to be taken for a repetition of it."""
_GRACE_LINES = 8
"""Lines that are waited for before a text ends at a line end though the model may mean to go on."""
_SHORTEST_REPEAT = 3
"""Characters of the code behind the cursor that are left out when a text breaks off in them."""
_BRACKET_OR_STRING = re.compile(r"""[()\[\]{}]|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""")
_SURELY_REPEATED = 100
"""Characters that are a repetition however badly all of it parses."""


@dataclass(frozen=True)
class End:
    """What is shown, and why it ends there: line, block, bracket, suffix, loop, or "end": the model ended; "" where the
    text was broken off.
    """

    text: str
    reason: str


def end_of(document: Document, pieces: Iterable[str], *, ended: bool, mode: Mode = "block") -> End:
    """What is shown of a generated text. `ended`: the model gave an end token after the last piece.

    - line: ends with the first line that has text.
    - block: ends where the block ends that the cursor is in.
    - free: ends where the model ends.

    In every mode it ends where it repeats the code behind the cursor, and when the same lines come again and again.
    """
    ending = Ending(document, mode)
    for piece in pieces:
        ending.feed(piece)
        if ending.reason is not None:
            break
    return ending.finish(ended=ended)


@dataclass(frozen=True)
class _PossibleEnd:
    """Where the text ends unless the model ends it within so many more lines."""

    cut: int
    reason: str
    lines_left: int


class Ending:
    """One text as it comes. `reason` is set when no more of it is wanted."""

    def __init__(self, document: Document, mode: Mode) -> None:
        newlines = document.text.count("\n")
        returns = document.text.count("\r\n")
        self._is_crlf = 0 < newlines == returns
        prefix, suffix = document.prefix.replace("\r\n", "\n"), document.suffix.replace("\r\n", "\n")
        language = language_at(document.path, prefix + suffix, len(prefix))
        self._surroundings = surroundings(language, prefix, suffix)
        self._mode = mode
        self._line = cursor_line(prefix)
        self._rest = suffix.partition("\n")[0].strip()
        self._lead = suffix[: len(suffix) - len(suffix.lstrip(" \t"))]
        self._is_last = not suffix.strip(" \t")
        self._repeat = Repetition(suffix)
        self._loop = Loop(prefix, suffix)
        self._word_loop = WordLoop(prefix, suffix)
        self._block = Block(self._line, language, self._surroundings.open_brackets)
        self._is_mid_line = bool(self._rest and self._line.strip()) and self._rest[0] not in CLOSING + "\"'`"
        self._text = ""
        self._fits: dict[int, Fit] = {}
        self._pending_return = False
        self._line_start = 0
        self._may_end: _PossibleEnd | None = None
        self._shown = 0
        self._cut: int | None = None
        self.reason: str | None = None

    def feed(self, piece: str) -> str:
        """Take more text; returns what has become certain to be shown."""
        if self.reason is not None:
            return ""
        piece = self._newlines(piece)
        start = 0
        while self.reason is None and start < len(piece):
            end = piece.find("\n", start) + 1 or len(piece)
            part, start = piece[start:end], end
            self._text += part
            self._look_for_repetition(part)
            if self.reason is None and (looped := self._word_loop.feed(part)) is not None:
                self._stop("loop", self._without_space(looped))
            if self.reason is None and part.endswith("\n"):
                self._end_line(len(self._text) - 1)
                self._line_start = len(self._text)
        return self._more(self._certain())

    def finish(self, *, ended: bool) -> End:
        """The whole of what is shown, when no more text comes. `ended`: the model ended it."""
        if self.reason is None and self._line_start < len(self._text):
            self._end_line(len(self._text), is_last=True)
        if self.reason is None:
            self._end_text(ended)
        text = self._text if self._cut is None else self._text[: self._cut]
        if not ended and self._cut is None:
            newline = "\n" if self._is_last and "\n" in text[len(text.rstrip()) :] else ""
            text = text.rstrip() + newline
        text = self._text[: max(len(text), self._shown)]
        return End(self._outward(text), self.reason or ("end" if ended else ""))

    def rest(self, end: End) -> str:
        """What of the end was not yet returned by `feed`."""
        return end.text[len(self._outward(self._text[: self._shown])) :]

    def _newlines(self, piece: str) -> str:
        """With `\\n` alone at line ends; a return that ends a piece waits for what follows."""
        if self._pending_return:
            piece = "\r" + piece
        self._pending_return = piece.endswith("\r")
        piece = piece.removesuffix("\r")
        return piece.replace("\r\n", "\n").replace("\r", "")

    def _outward(self, text: str) -> str:
        return text.replace("\n", "\r\n") if self._is_crlf else text

    def _more(self, until: int) -> str:
        more = self._text[self._shown : until]
        self._shown = max(self._shown, until)
        return self._outward(more)

    def _stop(self, reason: str, cut: int) -> None:
        reason, cut = self._without_repetition(reason, cut)
        waiting = self._may_end
        if waiting is not None and waiting.cut < cut and reason not in ("suffix", waiting.reason):
            reason, cut = waiting.reason, waiting.cut
        self.reason, self._cut = reason, max(cut, self._shown)

    def _stop_or_wait(self, reason: str, cut: int, *, wait: bool) -> None:
        """End here; with `wait` only if the model does not itself end soon, in something that fits as well."""
        if not wait or self._mode == "line":
            self._stop(reason, cut)
        elif self._may_end is None:
            reason, cut = self._without_repetition(reason, cut)
            self._may_end = _PossibleEnd(cut, reason, _GRACE_LINES)

    def _without_repetition(self, reason: str, cut: int) -> tuple[str, int]:
        """What leaves the block may be part of what stands behind the cursor, or come after it."""
        repeat = self._repeat
        is_sure = reason == "block" or (reason == "bracket" and repeat.lines >= REPEATED_LINES)
        return ("suffix", repeat.start) if is_sure and repeat.covers_first_line else (reason, cut)

    def _fit(self, end: int) -> Fit:
        if end not in self._fits:
            self._fits[end] = self._surroundings.fit(self._text[:end])
        return self._fits[end]

    # What may be shown while more comes.

    def _certain(self) -> int:
        if self.reason is not None:
            return self._shown
        held = [len(self._text.rstrip()), self._loop.held(self._text), self._without_space(self._word_loop.held())]
        if self._repeat.length:
            held.append(self._repeat.start)
        if self._may_end is not None:
            held.append(self._may_end.cut)
        if self._mode != "free":
            line = self._text[self._line_start :]
            if self._line_start and self._block.may_end_at(line):
                held.append(len(self._text[: self._line_start].rstrip()))
            if (closing := _first_unopened(self._text)) is not None:
                held.append(closing)
        return max(min(held), self._shown)

    # The rules.

    def _end_line(self, end: int, *, is_last: bool = False) -> None:
        """A line is complete: `end` is the offset of its newline, or of the end of the text."""
        start, line = self._line_start, self._text[self._line_start : end]
        if self._mode == "line" and not is_last and self._text[:end].strip():
            return self._end_of_line_mode(end)
        if line.strip():
            self._end_at_rest(end)
            if self.reason is None and self._mode != "free":
                self._end_block(start, end)
            if self.reason is None and self._mode == "block" and not is_last:
                self._end_mid_line(end)
        if self.reason is None and not is_last:
            self._end_loop()
        return None

    def _end_of_line_mode(self, end: int) -> None:
        self._end_at_rest(end)
        if self.reason is None:
            self._end_block(self._line_start, end)
        if self.reason is None:
            if self._rest and not self._line.strip() and self._rest[0] not in CLOSING:
                # Code stands behind the cursor in a line that was empty before it: it goes to a line of its own.
                self._text = self._text[: end + 1] + self._line
                self._stop("line", len(self._text))
            else:
                self._stop("line", end)

    def _end_at_rest(self, end: int) -> None:
        """The line says to its end what the first line behind the cursor says."""
        cut = self._repeat.start
        if self._repeat.covers_first_line and cut <= end and self._is_better(cut, end):
            self._stop_or_wait("suffix", cut, wait=bool(self._rest))

    def _is_better(self, cut: int, end: int) -> bool:
        """Whether the text fits better when it ends at `cut` than when it goes to the line's end."""
        whole = self._fit(min(end + 1, len(self._text))).flaws
        return self._fit(cut).flaws < whole and self._is_clean(cut)

    def _is_clean(self, cut: int) -> bool:
        return self._fit(cut).flaws <= self._surroundings.flaws

    def _look_for_repetition(self, part: str) -> None:
        """A character at a time, so that it does not depend on how the text is cut into pieces."""
        repeat = self._repeat
        for character in part:
            repeat.feed(character)
            is_long = repeat.length >= REPEATED_CHARACTERS and repeat.lines >= REPEATED_LINES
            if is_long and (repeat.length >= _SURELY_REPEATED or self._is_clean(repeat.start)):
                return self._stop("suffix", repeat.start)
        return None

    def _end_mid_line(self, end: int) -> None:
        """Code goes on behind the cursor: what belongs between is within this line, or within a pair."""
        if self._may_end is not None:
            self._may_end = replace(self._may_end, lines_left=self._may_end.lines_left - 1)
            if self._may_end.lines_left <= 0:
                self._stop(self._may_end.reason, self._may_end.cut)
        elif self._is_mid_line and self._is_clean(end) and not self._fit(end).in_literal(end):
            self._stop_or_wait("line", end, wait=True)

    def _end_block(self, start: int, end: int) -> None:
        """The line that was just completed closes or leaves the block that the cursor is in."""
        line = self._text[start:end]
        fit = self._fit(end)
        first = start + len(line) - len(line.lstrip())
        if start and (fit.in_literal(first) or fit.is_comment(first)):
            return None
        before_line = len(self._text[:start].rstrip())
        nesting = self._block.nesting(fit, start)
        for closing in nesting.closed:
            is_own_line = start > 0 and closing.offset == first
            cut = closing.offset
            if is_own_line:
                # The bracket behind the cursor takes the place of the text's, with its own white space.
                cut = len(self._text[:first].removesuffix(self._lead)) if self._rest else before_line
            if self._is_better(cut, end) and (self._surroundings.is_closed or not self._surroundings.flaws):
                return self._stop_or_wait("bracket", cut, wait=bool(self._rest) and not is_own_line)
            self._block.closed(closing)
        if start and self._mode == "block":
            verdict = self._block.judge(line, nesting.depth, after_blank=self._is_after_blank(start))
            if verdict == "closes" and self._fit(min(end + 1, len(self._text))).flaws < self._fit(before_line).flaws:
                self._block.ended(line)
            elif verdict != "in" and not self._is_mid_line and self._is_clean(before_line):
                return self._stop_or_wait("block", before_line, wait=verdict == "follows")
        self._block.seen(line, is_first=not start)
        return None

    def _is_after_blank(self, start: int) -> bool:
        return not self._text[self._text.rfind("\n", 0, start - 1) + 1 : start].strip()

    def _end_loop(self) -> None:
        cut = self._loop.end(self._text)
        if cut is not None:
            self._stop("loop", cut)

    def _end_text(self, ended: bool) -> None:
        """The text is over: without what the code behind the cursor says already."""
        cuts: list[tuple[int, str, bool]] = []
        repeat = self._repeat
        if repeat.length:
            is_long = repeat.lines >= (REPEATED_LINES if ended else 1) and repeat.length >= REPEATED_CHARACTERS
            cuts.append((repeat.start, "suffix", is_long or (not ended and repeat.length >= _SHORTEST_REPEAT)))
        if self._may_end is not None:
            cuts.append((self._may_end.cut, self._may_end.reason, not ended))
        if cuts:
            flaws = self._fit(len(self._text)).flaws
            for cut, reason, is_enough in sorted(cuts):
                without = self._fit(cut).flaws
                if without < flaws or (is_enough and (without == flaws or not ended)):
                    return self._stop(reason, cut)
        if not ended:
            if (looped := self._loop.cut(self._text)) is not None:
                self._stop("loop", looped)
            elif (looped := self._word_loop.cut()) is not None:
                self._stop("loop", self._without_space(looped))
        return None

    def _without_space(self, end: int) -> int:
        """The end of the last word before `end`."""
        return len(self._text[:end].rstrip())


def _first_unopened(text: str) -> int | None:
    """Offset of the first bracket that looks as if it closed something opened before the text."""
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        if match[0] in OPENING:
            depth += 1
        elif match[0] in CLOSING:
            depth -= 1
        if depth < 0:
            return match.start()
    return None
