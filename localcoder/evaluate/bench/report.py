"""What was measured, as tables for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from localcoder.evaluate.bench.figures import Figure, Report, Results, in_order, shown
from localcoder.models.memory_fit import gigabytes

NOTE = "Medians; in brackets where the median lies with 95 % (the whole range, with fewer than 6 rounds)."


@dataclass(frozen=True)
class Table:
    """What programs did with one model and so many threads: a row is a figure's name and a text for each program."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Report) -> Iterator[Table]:
    """One for each model and number of threads."""
    for subject in dict.fromkeys(result.subject for result in report.results):
        results = [result for result in report.results if result.subject == subject]
        figures = in_order({figure for result in results for figure in result.values})
        yield Table(
            f"{subject.label} ({subject.type_name}, {gigabytes(subject.size_bytes)})",
            tuple(f"{result.program}, {result.rounds} round{'s' if result.rounds != 1 else ''}" for result in results),
            tuple((figure.label, *(_cell(result, figure) for result in results)) for figure in figures),
        )


def machine_text(report: Report) -> str:
    """What it was measured on, in a line."""
    machine = report.machine
    return f"{machine.processor}, {machine.cores} cores, {gigabytes(machine.memory_bytes)}"


def lines(report: Report) -> Iterator[str]:
    """The tables for a terminal."""
    yield machine_text(report)
    for table in tables(report):
        yield ""
        rows = [(table.title, *table.heads), *table.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield NOTE
    yield from report.notes


def as_json(report: Report, *, interrupted: bool) -> dict[str, Any]:
    """All of it, the single values included."""
    results = []
    for result in report.results:
        figures = []
        for figure in in_order(set(result.values)):
            found = result.interval(figure)
            assert found is not None
            figures.append({**asdict(figure), **asdict(found), "values": result.values[figure]})
        results.append({**asdict(result.subject), "program": result.program, "figures": figures})
    return {
        "machine": asdict(report.machine),
        "interrupted": interrupted,
        "results": results,
        "notes": report.notes,
    }


def _cell(result: Results, figure: Figure) -> str:
    found = result.interval(figure)
    if found is None:
        return "-"
    low, high = (shown(value, figure.unit).split(" ")[0] for value in (found.low, found.high))
    return f"{shown(found.median, figure.unit)} [{low} to {high}]"
