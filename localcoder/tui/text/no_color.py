"""The screen without colours, for who sets NO_COLOR: what a background marks is shown in reverse instead."""

from __future__ import annotations

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

_PLAIN = Style.from_color(RichColor.default(), RichColor.default())
_MARKED = _PLAIN + Style(reverse=True)
_LEAST_CONTRAST = 1.6
"""Between two backgrounds. Chosen: a cursor and a selection have more, a bar or the cursor's line have less."""


class WithoutColors(LineFilter):
    """Textual's own filters make everything grey, which is a colour to a terminal, or hide the cursor."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(text, style and style + (_MARKED if _is_marked(style, background) else _PLAIN), control)
            for text, style, control in segments
        ]


def _is_marked(style: Style, background: Color) -> bool:
    own = style.bgcolor
    if own is None or own.is_default:
        return False
    lighter, darker = sorted((_luminance(Color.from_rich_color(own)), _luminance(background)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05) >= _LEAST_CONTRAST


def _luminance(color: Color) -> float:
    """Roughly WCAG's: gamma as a square."""
    return (0.2126 * color.r**2 + 0.7152 * color.g**2 + 0.0722 * color.b**2) / 255**2
