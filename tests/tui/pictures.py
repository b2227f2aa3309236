"""Rich's SVG pictures of a terminal: as every viewer shows them alike, and many of them as one that moves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

_TEXT = re.compile(
    r'<text (?P<head>[^>]*?)x="(?P<x>[\d.]+)"(?P<between>[^>]*?)textLength="(?P<length>[\d.]+)"(?P<tail>[^>]*)>'
    r"(?P<text>[^<]*)</text>"
)
_BLANK = "&#160;"
_CHARACTER = re.compile(r"&[^;]+;|.", re.DOTALL)
_STYLE = re.compile(r"^\s*\.[\w-]+-(r\d+) \{ (.*) \}$", re.MULTILINE)
_PART = re.compile(
    r'<rect fill="(?P<fill>[^"]*)" x="(?P<left>[\d.]+)" y="(?P<top>[\d.]+)" width="(?P<width>[\d.]+)"[^>]*crispEdges'
    r'|<text class="[\w-]+-(?P<style>r\d+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" textLength="(?P<length>[\d.]+)"[^>]*>'
    r"(?P<text>[^<]*)</text>"
)
_LINE_HEIGHT = 24.4
_MARGIN = 12
_GROUND = "#121212"
"""Of the whole picture: that of the dark theme."""


def without_outer_blanks(svg: str) -> str:
    """Each piece of text is placed where its first visible character is.

    Rich writes blanks as no-break spaces. Some viewers (librsvg, and what is made with it) leave them out at the ends
    of a piece of text, and then indented lines begin at the left.
    """
    return _TEXT.sub(_placed, svg)


def _placed(match: re.Match[str]) -> str:
    characters = _CHARACTER.findall(match["text"])
    cell = float(match["length"]) / len(characters)
    shown = [number for number, character in enumerate(characters) if character != _BLANK]
    if not shown:
        return ""
    first, last = shown[0], shown[-1] + 1
    x, length = float(match["x"]) + first * cell, (last - first) * cell
    text = "".join(characters[first:last])
    return f'<text {match["head"]}x="{x:g}"{match["between"]}textLength="{length:g}"{match["tail"]}>{text}</text>'


def moving(frames: Sequence[tuple[str, float]]) -> str:
    """One SVG that shows these pictures, each for so many seconds, again and again.

    A row that looks the same in several frames is in it once. Where nothing moves, the last frame stands.
    """
    total = sum(seconds for _, seconds in frames)
    classes: dict[str, str] = {}
    rows: dict[int, dict[str, list[tuple[float, float]]]] = defaultdict(dict)
    begun = 0.0
    for svg, seconds in frames:
        for row, look in _rows(without_outer_blanks(svg), classes).items():
            times = rows[row].setdefault(look, [])
            if times and times[-1][1] == begun:
                times[-1] = times[-1][0], begun + seconds
            else:
                times.append((begun, begun + seconds))
        begun += seconds
    rules: list[str] = []
    groups: list[str] = []
    for row in sorted(rows):
        for look, times in rows[row].items():
            name = f"k{len(rules)}"
            rules.append(f"@keyframes {name}{{{_keyframes(times, total)}}}")
            is_last = times[-1][1] == total
            groups.append(f'<g class="{"last" if is_last else "frame"}" style="animation-name:{name}">{look}</g>')
    width, height = _size(frames[0][0])
    style = "\n".join(
        [
            "text{font:20px 'Fira Code',monospace;white-space:pre}",
            f"g{{animation:{total:.2f}s step-end infinite}}.frame{{visibility:hidden}}",
            "@media(prefers-reduced-motion:reduce){g{animation:none!important}}",
            *(f".{name}{{{css}}}" for css, name in classes.items()),
            *rules,
        ]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_MARGIN} {-_MARGIN} {width + 2 * _MARGIN:g} '
        f'{height + 2 * _MARGIN:g}">\n<style>{style}</style>\n'
        f'<rect x="{-_MARGIN}" y="{-_MARGIN}" width="100%" height="100%" rx="8" fill="{_GROUND}"/>\n'
        + "\n".join(groups)
        + "\n</svg>\n"
    )


def _rows(svg: str, classes: dict[str, str]) -> dict[int, str]:
    """What each row looks like; `classes` has the name for each style, and gets those that are new."""
    styles = dict(_STYLE.findall(svg))
    grounds: dict[int, list[tuple[str, float, float]]] = defaultdict(list)
    texts: dict[int, str] = defaultdict(str)
    for part in _PART.finditer(svg):
        if part["style"] is None:
            of_row = grounds[int(float(part["top"]) / _LINE_HEIGHT)]
            fill, left, width = part["fill"], float(part["left"]), float(part["width"])
            if of_row and of_row[-1][0] == fill:
                left, width = of_row[-1][1], left + width - of_row.pop()[1]
            of_row.append((fill, left, width))
        else:
            name = classes.setdefault(styles[part["style"]].strip(), f"s{len(classes)}")
            place = f'x="{part["x"]}" y="{part["y"]}" textLength="{part["length"]}"'
            texts[round((float(part["y"]) - 20) / _LINE_HEIGHT)] += (
                f'<text class="{name}" {place}>{part["text"]}</text>'
            )
    return {
        row: "".join(
            f'<rect fill="{fill}" x="{left:g}" y="{row * _LINE_HEIGHT:g}" width="{width:g}" height="24.65"/>'
            for fill, left, width in grounds[row]
            if fill != _GROUND
        )
        + texts[row]
        for row in sorted({*grounds, *texts})
    }


def _keyframes(times: Sequence[tuple[float, float]], total: float) -> str:
    steps = [] if times[0][0] == 0 else [(0.0, "hidden")]
    for start, end in times:
        steps += [(start, "visible"), *([] if end == total else [(end, "hidden")])]
    return "".join(f"{100 * at / total:.2f}%{{visibility:{how}}}" for at, how in steps)


def _size(svg: str) -> tuple[float, float]:
    """Width and height of the terminal's own part."""
    found = re.search(r'clip-terminal">\s*<rect x="0" y="0" width="([\d.]+)" height="([\d.]+)"', svg)
    assert found is not None
    return float(found[1]), float(found[2])
