"""Suggestions to a client that does not say what it takes of them: later texts tell.

    asked in    def f(x):⏎    |            suggested: return x⏎
    seen later  def f(x):⏎    return y|    no beginning of a line counts: it may have been typed
    seen later  def f(x):⏎    return x⏎⏎|  all of it was taken

Clients ask ahead: for what would come if the suggestion were taken, while it is only shown. A text that is just that
tells nothing, and what was suggested in it was shown only if the suggestion before it is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localcoder.completion.alignment import common_prefix
from localcoder.completion.document import Document
from localcoder.evaluate.acceptance.record import Suggestion, Taken
from localcoder.evaluate.acceptance.standing import Follows, follows

FORGOTTEN_S = 600.0
"""After so long without a later text nobody can tell. Chosen: long enough for somebody who reads what was suggested."""
MOST_WAITING = 32
"""Suggestions that are waited with; each holds the text that it was made for."""


@dataclass(frozen=True)
class Settled:
    """What became of a suggestion. `document` is the text that it was made for, `at` when, in seconds since 1970."""

    suggestion: Suggestion
    document: Document
    at: float
    taken: Taken
    taken_text: str = ""


@dataclass(eq=False)
class _Waiting:
    """`supposed` is the text of the suggestion `ahead_of` that the document supposes to have been taken."""

    suggestion: Suggestion
    document: Document
    at: float
    since_s: float
    ahead_of: _Waiting | None = None
    supposed: str = ""


class Later:
    """`settle` is called with each suggestion of which is known what became of it, or that nobody will know.

    Times are of any clock that goes on evenly, in seconds.
    """

    def __init__(self, settle: Callable[[Settled], None]) -> None:
        self._settle = settle
        self._waiting: list[_Waiting] = []
        """Oldest first."""

    def seen(self, document: Document, now_s: float) -> None:
        """A client has this text now."""
        document = with_newlines(document)
        for each in tuple(self._waiting):
            if each not in self._waiting:
                continue  # What it was asked ahead of was not taken.
            found = follows(each.document, document) if each.ahead_of is None else None
            if found is not None and _asked_ahead(each, found) is None:
                taken = taken_of(each.suggestion.text, found)
                whole = taken == each.suggestion.text
                self._end(each, "all" if whole else "part" if taken else "none", taken, now_s=now_s)
            elif now_s - each.since_s > FORGOTTEN_S:
                self._end(each, "unknown")

    def answered(self, suggestion: Suggestion, document: Document, *, at: float, now_s: float) -> None:
        """A client was shown this suggestion for this text, unless it asked ahead."""
        document = with_newlines(document)
        new = _Waiting(suggestion, document, at, now_s)
        for each in tuple(self._waiting):
            if (each.document, each.suggestion.text) == (document, suggestion.text):
                self._waiting.remove(each)
                new.ahead_of, new.supposed = each.ahead_of, each.supposed
            elif (found := follows(each.document, document)) is not None and (supposed := _asked_ahead(each, found)):
                new.ahead_of, new.supposed = each, supposed
        self._waiting.append(new)
        while len(self._waiting) > MOST_WAITING:
            self._end(self._waiting[0], "unknown")

    def close(self) -> None:
        """Nothing comes any more."""
        while self._waiting:
            self._end(self._waiting[0], "unknown")

    def _end(self, ended: _Waiting, taken: Taken, text: str = "", now_s: float = 0.0) -> None:
        self._waiting.remove(ended)
        self._settle(Settled(ended.suggestion, ended.document, ended.at, taken, text))
        for each in tuple(self._waiting):
            if each.ahead_of is ended:
                if text.startswith(each.supposed):
                    # It was made ahead, and is shown from now on.
                    each.ahead_of, each.since_s = None, now_s
                else:
                    self._forget(each)

    def _forget(self, never_shown: _Waiting) -> None:
        if never_shown in self._waiting:
            self._waiting.remove(never_shown)
        for each in tuple(self._waiting):
            if each.ahead_of is never_shown:
                self._forget(each)


def taken_of(suggested: str, found: Follows) -> str:
    """What of a suggestion stands in a later text: all of it, or whole lines; "" for less.

    White space around it does not count: editors indent, and strip it.
    """
    wanted = found.missing + suggested
    lead = len(wanted) - len(wanted.lstrip())
    there = found.text.lstrip()
    same = common_prefix(wanted[lead:], there)
    if same >= len(wanted.rstrip()) - lead and not _goes_on(wanted.rstrip(), there[same:]):
        return suggested
    end = lead + same
    if wanted[end : end + 1] != "\n" or _goes_on(wanted[:end], there[same:]):
        end = wanted.rfind("\n", 0, end)
    text = suggested[: max(end - len(found.missing), 0)]
    return text if text.strip() else ""


def _goes_on(text: str, behind: str) -> bool:
    """Whether the last word of a text is only the beginning of one."""
    return text[-1:].isalnum() and behind[:1].isalnum()


def _asked_ahead(waiting: _Waiting, found: Follows) -> str | None:
    """The part of the suggestion that a text has beyond the one it was made for, and nothing else new.

    "" is the same text again. None: it is the text as somebody edited it.
    """
    text = waiting.suggestion.text
    if found.typed is None:
        return None
    if not found.typed:
        return ""
    if text.rstrip() == found.typed.rstrip():
        return text
    is_lines = text.startswith(found.typed) and (found.typed[-1] == "\n" or text[len(found.typed)] == "\n")
    return found.typed if is_lines else None


def with_newlines(document: Document) -> Document:
    r"""The same with `\n` at the ends of lines."""
    before, behind = (text.replace("\r\n", "\n") for text in (document.prefix, document.suffix))
    return Document(before + behind, len(before), document.path)
