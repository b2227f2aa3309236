"""Where a generated text ends: rules that are asked after each piece of it.

A rule gets the text so far and says at which offset the text ends, or None while it goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from localcoder.completion.document import Document
from localcoder.completion.ending import Ending, Mode, end_of
from localcoder.completion.repetition import Loop

Rule = Callable[[str], int | None]


@dataclass(frozen=True)
class Answer:
    """What a model said, up to where it ends. `is_whole`: it came to an end, and was not broken off for its length."""

    text: str
    is_whole: bool


class Watch:
    """A text as it comes."""

    def __init__(self, *rules: Rule) -> None:
        self._rules = rules
        self._loop = Loop("", "")
        self.text = ""
        self.is_over = False
        """No more of it is wanted."""

    def feed(self, piece: str) -> None:
        if self.is_over:
            return
        self.text += piece
        ends = [end for rule in (*self._rules, self._loop.end) if (end := rule(self.text)) is not None]
        if ends:
            self.text, self.is_over = self.text[: min(ends)], True

    def finish(self, *, ended: bool) -> Answer:
        """`ended`: the model itself ended it."""
        is_whole = ended or self.is_over
        if not is_whole and (cut := self._loop.cut(self.text)) is not None:
            return Answer(self.text[:cut], True)
        return Answer(self.text, is_whole)


class CodeWatch(Watch):
    """Code at the document's cursor: it ends where a completion would."""

    def __init__(self, document: Document, mode: Mode, *rules: Rule) -> None:
        super().__init__(*rules)
        self._document, self._mode = document, mode
        self._ending = Ending(document, mode)

    def feed(self, piece: str) -> None:
        before = len(self.text)
        super().feed(piece)
        self._ending.feed(self.text[before:])
        self.is_over = self.is_over or self._ending.reason is not None

    def finish(self, *, ended: bool) -> Answer:
        is_whole = ended or self.is_over
        # Anew: a rule may have taken back what was fed.
        return Answer(end_of(self._document, [self.text], ended=is_whole, mode=self._mode).text, is_whole)


def until(*marks: str) -> Rule:
    """Before the first of these."""

    def rule(text: str) -> int | None:
        found = [at for mark in marks if (at := text.find(mark)) >= 0]
        return min(found, default=None)

    return rule


def until_match(pattern: str) -> Rule:
    """Before the first match."""
    compiled = re.compile(pattern, re.MULTILINE)

    def rule(text: str) -> int | None:
        match = compiled.search(text)
        return match.start() if match else None

    return rule


def within_comment(mark: str) -> Rule:
    """Before the first line after the first one that does not begin with the comment's mark."""

    def rule(text: str) -> int | None:
        at = text.find("\n")
        while at >= 0:
            line = text[at + 1 :].partition("\n")[0].lstrip()
            # A line that is still growing may be going to be one.
            if not (line.startswith(mark) or (mark.startswith(line) and "\n" not in text[at + 1 :])):
                return at
            at = text.find("\n", at + 1)
        return None

    return rule


_OPENING, _CLOSING = "([{<", ")]}>"


def type_ends(text: str) -> int | None:
    """Where a type ends that stands in a function's head: before what cannot belong to it."""
    depth, quote = 0, ""
    for at, character in enumerate(text):
        said = text[:at].rstrip()
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == ">" and said.endswith(("=", "-")):
            continue
        elif character == "{" and depth == 0 and said and said[-1] not in "|&=>":
            return len(said)
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if depth < 0:
                return len(said)
        elif (character == "\n" and said) or (depth == 0 and character in ",:;=#" and text[at : at + 2] != "=>"):
            return len(said)
    return None


def fence_ends(text: str) -> int | None:
    """Before the line that ends a block of code in Markdown."""
    if text.startswith("```"):
        return 0
    at = text.find("\n```")
    return at + 1 if at >= 0 else None
