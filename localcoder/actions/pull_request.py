"""A change that a review comment asks for, in the format of pull requests.

    <pr>Title: T\\nusername_0: D<pr_status>opened<repo_name>R<pr_base><pr_file>F<pr_base_code>CODE
    <pr_diff><pr_file>F<pr_diff_hunk>HUNK
    <pr_review_comment><pr_event_id>N<pr_file>F<pr_diff_hunk_comment_line>L<pr_diff_hunk>HUNK
    <pr_comment>username_1: TEXT
    <pr_diff><pr_file>F<pr_diff_hunk>HUNK

without the line breaks (Lozhkov et al. 2024, section 5, and bigcode-project/the-stack-v2,
`pull_requests_and_issues/render.py`). Both diffs are against the same base, as there. So the base is the code without
what is to be changed, the first diff adds that, a reviewer comments on it, and the second diff adds what it becomes.
Lines are counted from 1 in CODE, which is a part of the file; a comment's hunk ends with the line that it is about, and
L is that line's place in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcoder.actions.prompt import Prompt, named, repository_place
from localcoder.actions.watch import Rule
from localcoder.completion.edits import Range

_AROUND_LINES = 32
"""Of base code around a change: up to so many were shown in training."""
_CONTEXT_LINES = 3
"""Around a hunk: 3 to 9 were shown in training."""
_COMMENT_ID = 1214093755
"""Any: an id as GitHub gave them in 2023."""


@dataclass(frozen=True)
class Review:
    """`base` is the code around what is to be changed, `at` how many of its lines stand before that."""

    path: str
    repository: str
    title: str
    base: tuple[str, ...]
    at: int
    changed: tuple[str, ...]
    """The lines that are to be changed, as they are now."""
    comment: str
    comment_line: int
    """Which of them the comment is about, from 0."""

    @property
    def _before(self) -> tuple[str, ...]:
        return self.base[max(0, self.at - _CONTEXT_LINES) : self.at]

    @property
    def _after(self) -> tuple[str, ...]:
        return self.base[self.at : self.at + _CONTEXT_LINES]

    @property
    def first_line(self) -> int:
        """Of the hunk, in the base, from 1."""
        return self.at - len(self._before) + 1

    @property
    def base_lines(self) -> tuple[str, ...]:
        """Those of the base that the hunk shows."""
        return (*self._before, *self._after)

    def prompt(self) -> Prompt:
        """The hunk that it ends in is begun, up to how many lines it will have."""
        old = len(self.base_lines)
        header = f"@@ -{self.first_line},{old} +{self.first_line},{old + len(self.changed)} @@"
        lines = [*(" " + line for line in self._before), *("+" + line for line in self.changed)]
        position = len(self._before) + self.comment_line + 1
        whole = "\n".join((header, *lines, *(" " + line for line in self._after)))
        commented = "\n".join((header, *lines[:position]))
        return named(
            ("<pr>", f"Title: {self.title}\nusername_0: {self.title} in {self.path}."),
            ("<pr_status>", "opened"),
            ("<repo_name>", self.repository),
            ("<pr_base>", ""),
            ("<pr_file>", self.path),
            ("<pr_base_code>", "\n".join(self.base)),
            ("<pr_diff>", ""),
            ("<pr_file>", self.path),
            ("<pr_diff_hunk>", whole),
            ("<pr_review_comment>", ""),
            ("<pr_event_id>", str(_COMMENT_ID)),
            ("<pr_file>", self.path),
            ("<pr_diff_hunk_comment_line>", str(position)),
            ("<pr_diff_hunk>", commented),
            ("<pr_comment>", f"username_1: {self.comment}"),
            ("<pr_diff>", ""),
            ("<pr_file>", self.path),
            ("<pr_diff_hunk>", f"@@ -{self.first_line},{old} +{self.first_line},"),
        )

    def applied(self, hunk: str) -> tuple[str, ...] | None:
        """What the lines of the hunk, and those to be changed, become; None where the hunk does not fit the base.

        Base lines that it does not come to stay. `hunk` is what followed the prompt.
        """
        _, _, body = hunk.partition("\n")
        base, made, used = self.base_lines, [], 0
        for line in body.split("\n") if body else []:
            if line.startswith("+"):
                made.append(line[1:])
            elif line.startswith("\\"):
                continue
            elif used < len(base) and line[1:].rstrip() == base[used].rstrip() and line[:1] in (" ", "-", ""):
                if not line.startswith("-"):
                    made.append(base[used])
                used += 1
            elif line.strip():
                return None
        return (*made, *base[used:])

    def shown_lines(self) -> tuple[str, ...]:
        """The lines of the hunk, and those to be changed, as they are now."""
        return (*self._before, *self.changed, *self._after)

    @property
    def lines_before(self) -> int:
        """How many of the shown lines stand before those to be changed."""
        return len(self._before)

    @property
    def hunk_ends(self) -> Rule:
        """Behind the last base line that the hunk shows, or before what belongs to no hunk."""
        wanted = len(self.base_lines) if self._after else None

        def rule(text: str) -> int | None:
            start, used = text.find("\n") + 1, 0
            while start:
                end = text.find("\n", start)
                line = text[start:] if end < 0 else text[start:end]
                if line and line[0] not in " +-\\":
                    return max(start - 1, 0)
                if end < 0:
                    return None
                used += not line.startswith(("+", "\\"))
                if used == wanted:
                    return end
                start = end + 1
            return None

        return rule


def review(
    text: str, region: Range, comment: str, path: Path | None, *, name: str, comment_line: int | None, suffix: str
) -> Review | None:
    """A review of some whole lines of a text; None where there is nothing but these lines.

    `name` is what they define, if anything. `comment_line` counts from 0 in them: None is the last one.
    """
    before = _lines(text[: region.start])[-_AROUND_LINES:]
    after = _lines(text[region.end :].removeprefix("\n"))[:_AROUND_LINES]
    if not any(line.strip() for line in (*before, *after)):
        return None
    changed = text[region.start : region.end].split("\n")
    place = repository_place(path)
    shown = place.path.as_posix() if path is not None else f"main{suffix}"
    line = len(changed) - 1 if comment_line is None else min(max(comment_line, 0), len(changed) - 1)
    return Review(
        path=shown,
        repository=place.repository or (path.absolute().parent.name if path is not None else "") or "code",
        title=f"Add {name or 'what was missing'}",
        base=(*before, *after),
        at=len(before),
        changed=tuple(changed),
        comment=re.sub(r"\s+", " ", comment).strip(),
        comment_line=line,
    )


def _lines(text: str) -> Sequence[str]:
    return text.removesuffix("\n").split("\n") if text else []
