"""Plots as inline SVG, for a page that defines the colours `--c0` to `--c7`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 620, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 14, 44
_COLOURS = 8
_ROW = 34
_LABEL = 220
_TICKS = 5


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]], *, x_label: str, y_label: str, title: str, most_x: float = 1.0
) -> str:
    """One line a name, x from 0 to `most_x`, y shares from 0 up to the largest there is."""
    most_y = _round_up(max((y for points in lines.values() for _, y in points), default=0.0))

    def place(x: float, y: float) -> str:
        across = _LEFT + x / most_x * (_WIDTH - _LEFT - _RIGHT)
        return f"{across:.1f},{_HEIGHT - _BOTTOM - y / most_y * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    parts = []
    for step in range(_TICKS + 1):
        share = step / _TICKS
        x, y = place(share * most_x, share * most_y).split(",")
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(_LEFT - 8, float(y) + 4, f"{share * most_y:.0%}", "end"))
        parts.append(_text(float(x), _HEIGHT - _BOTTOM + 18, f"{share * most_x:.0%}", "middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle"))
    for number, (name, points) in enumerate(lines.items()):
        path = " ".join(place(x, y) for x, y in points)
        colour = f"var(--c{number % _COLOURS})"
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"><title>{escape(name)}</title>'
            "</polyline>"
        )
    return _figure(parts, _HEIGHT, title, y_label, legend=list(lines))


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
        y, colour = _TOP + _ROW * (number + 0.5), f"var(--c{(number + 1) % _COLOURS})"
        parts.append(_text(_LABEL - 12, y + 4, _shortened(name), "end"))
        parts.append(
            f'<line x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="3" stroke-linecap="round"/>'
            f'<circle cx="{across(value):.1f}" cy="{y}" r="5.5" fill="{colour}">'
            f"<title>{escape(name)}: {value:+.4f} [{low:+.4f} {high:+.4f}]</title></circle>"
        )
    return _figure(parts, height, title, note)


def bars(groups: Mapping[str, Sequence[float]], names: Sequence[str], *, title: str, note: str) -> str:
    """Shares of each name in each group, side by side."""
    bar, gap = max(8, 18 - 2 * len(names)), 14
    most = _round_up(max((share for shares in groups.values() for share in shares), default=0.0))
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
        y += gap
    return _figure(parts, int(y) + 8, title, note, legend=names)


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


def _round_up(share: float) -> float:
    """The next of the shares that make readable marks."""
    return next((each for each in (0.05, 0.1, 0.25, 0.5, 1.0) if share <= each), share)
