"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass

from localcoder.code.ranges import Range


@dataclass(frozen=True)
class Finding:
    """Something to distrust in a text: `range` is where in the text with the edit made in it, `line` and `column` where
    that begins, counted from 1.

    `check` names what found it, `what` says in one line what is there, `why` in one what that means or how it is known.
    """

    check: str
    range: Range
    line: int
    column: int
    what: str
    why: str

    def fields(self) -> dict[str, object]:
        """As JSON tells of it; `start` and `end` count characters from the beginning of the text."""
        where = {"start": self.range.start, "end": self.range.end, "line": self.line, "column": self.column}
        return {"check": self.check, **where, "what": self.what, "why": self.why}
