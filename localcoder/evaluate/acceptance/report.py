"""What became of suggestions, as a table for people and as JSON for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from localcoder.evaluate.acceptance.summary import FEWEST_TAKEN, MOST_LOST, Advice, Group, Summary
from localcoder.evaluate.statistics import Estimate

_GAP = "  "


def table(summary: Summary, width: int = 100) -> str:
    """A row a group; in brackets the 95 % intervals."""
    rows = [["", *(head for head, _ in _COLUMNS)]]
    rows.append(_cells(summary.everything))
    for part, groups in summary.parts.items():
        rows += [[], [f"by {part}"], *(_cells(group, "  ") for group in groups)]
    columns = len(rows[0])
    widths = [max((len(row[column]) for row in rows if len(row) == columns), default=0) for column in range(columns)]
    widths[0] = max(len(row[0]) for row in rows if row)
    lines = [_line(row, widths) for row in rows]
    for note in _notes(summary):
        lines += ["", *textwrap.wrap(note, width)]
    return "\n".join(lines)


def as_json(summary: Summary) -> dict[str, Any]:
    """All of it."""
    return asdict(summary)


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:.0%} [{100 * estimate.low:.0f} {100 * estimate.high:.0f}]"


def _number(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.1f} [{estimate.low:.1f} {estimate.high:.1f}]"


_COLUMNS: Sequence[tuple[str, Callable[[Group], str]]] = (
    ("shown", lambda group: f"{group.shown:,}"),
    ("taken", lambda group: _share(group.taken)),
    ("as a whole", lambda group: _share(group.whole)),
    ("characters each", lambda group: _number(group.saved)),
    ("characters", lambda group: f"{group.saved_characters:,}"),
    ("there after 30 s", lambda group: _share(group.stands_30s)),
    ("after 5 min", lambda group: _share(group.stands_5min)),
)


def _cells(group: Group, indent: str = "") -> list[str]:
    return [indent + group.name, *(text(group) for _, text in _COLUMNS)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    if not row:
        return ""
    name, *cells = row
    return _GAP.join(
        [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=False))]
    ).rstrip()


def _notes(summary: Summary) -> Iterator[str]:
    since, until = (datetime.fromtimestamp(at).strftime("%Y-%m-%d") for at in (summary.since, summary.until))
    text = f"Noted from {since} to {until}."
    if unknown := summary.everything.unknown:
        text += f" What became of {unknown:,} more is not known."
    if summary.hidden:
        text += f" {summary.hidden:,} were not shown, as they were not sure enough."
    if summary.dropped:
        text += f" {summary.dropped:,} older ones made room for newer ones."
    yield f"{text} [ ] is the 95 % interval, as if no suggestion had to do with the one before."
    yield _advice(summary.advice)


def _advice(advice: Advice) -> str:
    if not advice.thresholds:
        return (
            f"Which least_confidence to set is a guess yet: {advice.taken} suggestions of {advice.model} were taken, "
            f"and {FEWEST_TAKEN} should be."
        )
    if advice.best is None:
        return (
            f"No least_confidence is worth it: each of them loses more than {MOST_LOST:.0%} of what is taken of "
            f"{advice.model}, or may do so."
        )
    spared, lost = (_share(each) for each in (advice.best.spared, advice.best.lost))
    return (
        f"With least_confidence = {advice.best.least_confidence:g}, {spared} of the suggestions of {advice.model} that "
        f"nobody takes would not be shown, and {lost} of the characters that are taken would be lost."
    )
