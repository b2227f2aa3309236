"""Plots as inline SVG, for a page that defines the colours `--c0` to `--c7`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 620, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 14, 44
_COLOURS = 8
_ROW = 34
_LABEL = 220
_VALUE = 110
"""Room for a value behind its mark."""
_RANGE_ROW, _GAP = 20, 14
_ASIDE = 0.008
"""Share of a frame's width between the marks of two lines at the same place."""
_TICKS = 5


def section(figures: Sequence[str]) -> str:
    """Figures side by side, under a heading; nothing where there are none."""
    if not figures:
        return ""
    return f'<h2>Plots</h2><div class="plots">{"".join(figures)}</div>'


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]], *, x_label: str, y_label: str, title: str, most_x: float = 1.0
) -> str:
    """One line a name, x from 0 to `most_x`, y shares from 0 up to the largest there is."""
    most_y = _round_up(max((y for points in lines.values() for _, y in points), default=0.0), least=0.05)
    steps = [step / _TICKS for step in range(_TICKS + 1)]
    parts = _frame([(share, f"{share * most_x:.0%}") for share in steps], most_y, "{:.0%}".format, x_label)
    for number, (name, points) in enumerate(lines.items()):
        parts.append(_path([(x / most_x, y / most_y) for x, y in points], name, number))
    return _figure(parts, _HEIGHT, title, y_label, legend=list(lines))


@dataclass(frozen=True)
class Ranged:
    """A value and the interval that it lies in."""

    value: float
    low: float
    high: float


def ranged_curves(
    lines: Sequence[tuple[str, Mapping[int, Ranged]]],
    *,
    x_label: str,
    note: str,
    title: str,
    shown: Callable[[float], str],
) -> str:
    """One line a name through values with their intervals, x by its logarithm, y from 0."""
    marks = sorted({x for _, points in lines for x in points})
    most_y = _round_up(max((point.high for _, points in lines for point in points.values()), default=0.0))
    # Half a step of room on either side.
    first, last = (math.log(marks[0]), math.log(marks[-1])) if marks else (0.0, 0.0)
    room = (last - first) / (2 * len(marks)) or 0.5

    def across(x: int) -> float:
        return (math.log(x) - first + room) / (last - first + 2 * room)

    parts = _frame([(across(x), f"{x:,}") for x in marks], most_y, "{:,g}".format, x_label)
    for number, (name, points) in enumerate(lines):
        # Beside one another, so that no interval hides another one's.
        aside = (number - (len(lines) - 1) / 2) * _ASIDE
        at = [(across(x) + aside, points[x]) for x in sorted(points)]
        parts.append(_path([(x, point.value / most_y) for x, point in at], name, number))
        for x, point in at:
            places = [_place(x, each / most_y) for each in (point.value, point.low, point.high)]
            parts.append(_range(places, number, f"{name}: {_range_text(point, shown)}"))
    return _figure(parts, _HEIGHT, title, note, legend=[name for name, _ in lines])


def ranges(
    groups: Mapping[str, Sequence[Ranged | None]],
    names: Sequence[str],
    *,
    title: str,
    note: str,
    shown: Callable[[float], str],
) -> str:
    """Values of each name in each group with their intervals, side by side, from 0; None where there is none."""
    points = [point for group in groups.values() for point in group if point is not None]
    most = _round_up(max((point.high for point in points), default=0.0))
    scale = (_WIDTH - _RIGHT - _LABEL - _VALUE) / most
    parts, y = [], float(_TOP)
    for group, values in groups.items():
        there = [(number, point) for number, point in enumerate(values) if point is not None]
        parts.append(_text(_LABEL - 12, y + _RANGE_ROW * len(there) / 2 + 4, group, "end"))
        for number, point in there:
            middle = y + _RANGE_ROW / 2
            places = [(_LABEL + each * scale, middle) for each in (point.value, point.low, point.high)]
            parts.append(_range(places, number, f"{names[number]}: {_range_text(point, shown)}"))
            parts.append(_text(places[2][0] + 10, middle + 4, shown(point.value), "start"))
            y += _RANGE_ROW
        y += _GAP
    parts.insert(0, f'<line class="grid" x1="{_LABEL}" x2="{_LABEL}" y1="{_TOP}" y2="{y - _GAP:.1f}"/>')
    return _figure(parts, y + 8, title, note, legend=names)


def intervals(rows: Mapping[str, tuple[float, float, float]], *, title: str, note: str) -> str:
    """(value, low, high) of each name around a line at zero."""
    furthest = max((abs(each) for row in rows.values() for each in row), default=0.0) or 1.0
    height = _TOP + _ROW * len(rows) + _BOTTOM

    def across(value: float) -> float:
        middle = (_LABEL + _WIDTH - _RIGHT) / 2
        return middle + value / furthest * ((_WIDTH - _RIGHT - _LABEL) / 2 - 24)

    zero, bottom = across(0), height - _BOTTOM
    parts = [f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="{_TOP}" y2="{bottom}"/>']
    for share in (-1, -0.5, 0, 0.5, 1):
        parts.append(
            _text(across(share * furthest), bottom + 18, f"{share * furthest:+.3g}" if share else "0", "middle")
        )
    for number, (name, (value, low, high)) in enumerate(rows.items()):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(_text(_LABEL - 12, y + 4, _shortened(name), "end"))
        places = [(across(each), y) for each in (value, low, high)]
        parts.append(_range(places, number + 1, f"{name}: {value:+.4f} [{low:+.4f} {high:+.4f}]"))
    return _figure(parts, height, title, note)


def bars(groups: Mapping[str, Sequence[float]], names: Sequence[str], *, title: str, note: str) -> str:
    """Shares of each name in each group, side by side."""
    bar = max(8, 18 - 2 * len(names))
    most = _round_up(max((share for shares in groups.values() for share in shares), default=0.0), least=0.05)
    scale = (_WIDTH - _RIGHT - _LABEL - 44) / most
    parts, y = [], float(_TOP)
    for group, shares in groups.items():
        parts.append(_text(_LABEL - 12, y + bar * len(names) / 2 + 4, group, "end"))
        for number, share in enumerate(shares):
            parts.append(
                f'<rect x="{_LABEL}" y="{y:.1f}" width="{max(share * scale, 1):.1f}" height="{bar - 2}" rx="2" '
                f'fill="var(--c{number % _COLOURS})"/>'
            )
            parts.append(_text(_LABEL + share * scale + 6, y + bar - 4, f"{share:.0%}", "start"))
            y += bar
        y += _GAP
    return _figure(parts, int(y) + 8, title, note, legend=names)


_Place = tuple[float, float]


def _place(x: float, y: float) -> _Place:
    """Where shares of a frame's width and height, from its lower left, are in the figure."""
    return _LEFT + x * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM)


def _frame(x_marks: Sequence[tuple[float, str]], most_y: float, shown: Callable[[float], str], label: str) -> list[str]:
    """Grid lines and what is written along both axes; `x_marks` are shares of the width."""
    parts = []
    for step in range(_TICKS + 1):
        _, y = _place(0, step / _TICKS)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 8, y + 4, shown(step / _TICKS * most_y), "end"))
    parts += [_text(_place(share, 0)[0], _HEIGHT - _BOTTOM + 18, text, "middle") for share, text in x_marks]
    parts.append(_text(_place(0.5, 0)[0], _HEIGHT - 6, label, "middle"))
    return parts


def _path(points: Sequence[tuple[float, float]], name: str, number: int) -> str:
    """A line through shares of a frame."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(*point) for point in points))
    return (
        f'<polyline points="{places}" fill="none" stroke="var(--c{number % _COLOURS})" stroke-width="2.5">'
        f"<title>{escape(name)}</title></polyline>"
    )


def _range(places: Sequence[_Place], number: int, title: str) -> str:
    """A dot at the first place, on the line between the two others."""
    colour = f"var(--c{number % _COLOURS})"
    (x, y), (x1, y1), (x2, y2) = places
    return (
        f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="3" '
        f'stroke-linecap="round"/><circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colour}">'
        f"<title>{escape(title)}</title></circle>"
    )


def _range_text(point: Ranged, shown: Callable[[float], str]) -> str:
    return f"{shown(point.value)} [{shown(point.low)} to {shown(point.high)}]"


def _figure(parts: Sequence[str], height: float, title: str, note: str, legend: Sequence[str] = ()) -> str:
    named = "".join(
        f'<span><i style="background:var(--c{number % _COLOURS})"></i>{escape(name)}</span>'
        for number, name in enumerate(legend)
    )
    return (
        f"<figure><figcaption><b>{escape(title)}</b><br>{escape(note)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
        + (f'<div class="legend">{named}</div>' if named else "")
        + "</figure>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _shortened(name: str) -> str:
    return name if len(name) <= 32 else f"…{name[-31:]}"


def _round_up(value: float, least: float = 0.0) -> float:
    """The next number that makes readable marks; `least` for shares, which are marked in whole percents."""
    value = max(value, least)
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2.5, 5, 10) if value <= step * power * (1 + 1e-9))
