"""What was measured, as one HTML file: plots of the speeds, and the tables with all figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape

from localcoder.evaluate import plots
from localcoder.evaluate.bench.figures import (
    COLD,
    GENERATION,
    GENERATION_DRAFTS,
    TYPING,
    Figure,
    Report,
    Results,
    reading,
    shown,
    shown_number,
)
from localcoder.evaluate.bench.report import NOTE, Table, machine_text, tables
from localcoder.evaluate.html_page import html_page
from localcoder.evaluate.plots import Ranged


def page(report: Report) -> str:
    """The whole file."""
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in (NOTE, *report.notes))
    return html_page(
        "What models do on this machine",
        f'<p class="sentence">{escape(machine_text(report))}</p>{notes}{plots.section(_plots(report.results))}'
        f"<h2>All figures</h2>{''.join(map(_table, tables(report)))}",
    )


def _plots(results: Sequence[Results]) -> list[str]:
    names = [_name(result, results) for result in results]
    figures = {figure for result in results for figure in result.values}
    found = []
    if any(reading(figure.prompt_tokens) == figure for figure in figures if figure.prompt_tokens):
        read = list(zip(names, map(_reading, results), strict=True))
        note = "Tokens a second of a prompt of which nothing is known."
        found.append(
            plots.ranged_curves(read, title="Reading", note=note, x_label="tokens of the prompt", shown=shown_number)
        )
    for title, note, groups in _GROUPS:
        measured = {label: figure for label, figure in groups.items() if figure in figures}
        if measured:
            unit = next(iter(measured.values())).unit
            rows = {label: [_ranged(result, figure) for result in results] for label, figure in measured.items()}
            found.append(plots.ranges(rows, names, title=title, note=note, shown=partial(shown, unit=unit)))
    return found


_GROUPS: Sequence[tuple[str, str, Mapping[str, Figure]]] = (
    (
        "First token",
        "Seconds until a file that was just opened, and someone who types in it, get theirs; less is better.",
        {"cold": COLD, "typing": TYPING},
    ),
    (
        "Generation",
        "Tokens a second, without drafts and with them.",
        {"without drafts": GENERATION, "with drafts": GENERATION_DRAFTS},
    ),
)


def _name(result: Results, results: Sequence[Results]) -> str:
    """The program only where there are several."""
    several = len({each.program for each in results}) > 1
    return f"{result.subject.label}, {result.program}" if several else result.subject.label


def _reading(result: Results) -> dict[int, Ranged]:
    """Tokens of the prompt → the speed."""
    lengths = [figure.prompt_tokens for figure in result.values if figure.prompt_tokens]
    found = {length: _ranged(result, reading(length)) for length in lengths}
    return {length: point for length, point in found.items() if point is not None}


def _ranged(result: Results, figure: Figure) -> Ranged | None:
    found = result.interval(figure)
    return Ranged(found.median, found.low, found.high) if found else None


def _table(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in (table.title, *table.heads))
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'
