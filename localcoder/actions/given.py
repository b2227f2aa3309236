"""Where in which files something is to be done, as other programs say it: a diff, or a list of findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError

_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_FINDING = re.compile(r"(?P<path>[^\s:][^:\n]*(?:(?<=^[A-Za-z]):[^:\n]+)?):(?P<line>\d+)(?::\d+)?:?\s+(?P<what>\S.*)")


@dataclass(frozen=True)
class Lines:
    """From line `first` to line `last` of a file, both counted from 1; `what` is said of them."""

    path: str
    first: int
    last: int
    what: str = ""


def is_diff(text: str) -> bool:
    """Whether it is a unified diff, like what `git diff` prints."""
    return re.search(r"^\+\+\+ \S.*\n@@ -", text, re.MULTILINE) is not None


def changed_lines(diff: str) -> tuple[Lines, ...]:
    """What a unified diff adds, each run of lines by itself; of what it only deletes, the line that is there now."""
    found: list[Lines] = []
    path, line, left = "", 0, 0
    for row in diff.split("\n"):
        if not left and row.startswith("+++ "):
            path = _path(row[4:].rstrip("\r"))
        elif not left and (match := _HUNK.match(row)):
            line, left = int(match[1]), int(match[2] or 1)
            if not left and path:
                found.append(Lines(path, max(line, 1), max(line, 1)))
        elif left and row.startswith("+"):
            if found and found[-1].path == path and found[-1].last == line - 1:
                found[-1] = Lines(path, found[-1].first, line)
            elif path:
                found.append(Lines(path, line, line))
            line, left = line + 1, left - 1
        elif left and not row.startswith(("-", "\\")):
            line, left = line + 1, left - 1
    return tuple(found)


def findings(text: str) -> tuple[Lines, ...]:
    """`PATH:LINE:COLUMN: what` of each line, as compilers and linters print it; other lines are left out."""
    matches = (_FINDING.match(line.strip()) for line in text.split("\n"))
    return tuple(
        Lines(match["path"], int(match["line"]), int(match["line"]), match["what"]) for match in matches if match
    )


def range_of(text: str, lines: Lines) -> Range:
    """Their characters; the text's line ends may be any.

    One line is a cursor in it, before its first character that is no white space. Raises LocalcoderError (exit code 2)
    for lines that the text does not have.
    """
    starts = [0, *_line_starts(text)]
    if not 1 <= lines.first <= lines.last <= len(starts):
        raise LocalcoderError(
            f"Lines {lines.first} to {lines.last} are outside the text, which has {len(starts)}.",
            "Lines are counted from 1.",
            exit_code=2,
        )
    start = starts[lines.first - 1]
    end = starts[lines.last] if lines.last < len(starts) else len(text)
    if lines.first < lines.last:
        return Range(start, end)
    line = text[start:end].rstrip("\r\n")
    cursor = start + len(line) - len(line.lstrip())
    return Range(cursor, cursor)


def _line_starts(text: str) -> Iterator[int]:
    return (match.end() for match in re.finditer("\n", text))


def _path(name: str) -> str:
    """Of a diff's header: without git's `b/`, and without what `diff` writes behind a tab; "" for a deleted file."""
    name = name.partition("\t")[0].strip().strip('"')
    return "" if name == "/dev/null" else name.removeprefix("b/")
