"""Whole lines doubled, moved and deleted, and the way from bracket to bracket."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.document._document import Selection

from tests.tui.driving import edit_screen, make_app
from tests.tui.fake_engine import FakeEngine


@pytest.mark.parametrize(
    ("text", "selection", "key", "after", "selected"),
    [
        ("a\nb\n", ((0, 1), (0, 1)), "ctrl+d", "a\na\nb\n", ((1, 1), (1, 1))),
        ("a\nb", ((1, 0), (1, 1)), "ctrl+d", "a\nb\nb", ((2, 0), (2, 1))),
        ("a\nb\nc\n", ((0, 0), (2, 0)), "ctrl+d", "a\nb\na\nb\nc\n", ((2, 0), (4, 0))),
        ("a\r\nb\r\n", ((0, 0), (0, 0)), "ctrl+d", "a\r\na\r\nb\r\n", ((1, 0), (1, 0))),
        ("a\nbcd\n", ((1, 2), (1, 3)), "alt+up", "bcd\na\n", ((0, 2), (0, 3))),
        ("a\nb\nc\n", ((0, 0), (1, 1)), "alt+j", "c\na\nb\n", ((1, 0), (2, 1))),
        ("a\nb", ((0, 0), (0, 0)), "alt+down", "b\na", ((1, 0), (1, 0))),
        ("a\nb\n", ((0, 0), (0, 0)), "alt+u", "a\nb\n", ((0, 0), (0, 0))),
        ("a\nb\n", ((1, 0), (1, 0)), "alt+down", "a\nb\n", ((1, 0), (1, 0))),
        ("a\nb\n", ((2, 0), (2, 0)), "alt+up", "a\nb\n", ((2, 0), (2, 0))),
        ("abc\nd\ne", ((0, 3), (0, 3)), "alt+k", "d\ne", ((0, 1), (0, 1))),
        ("a\nb\nc", ((2, 1), (1, 0)), "alt+k", "a", ((0, 0), (0, 0))),
        ("a\nb", ((1, 0), (1, 0)), "ctrl+shift+k", "a", ((0, 0), (0, 0))),
        ("abc", ((0, 1), (0, 1)), "alt+k", "", ((0, 0), (0, 0))),
    ],
)
async def test_lines(
    text: str,
    selection: tuple[tuple[int, int], tuple[int, int]],
    key: str,
    after: str,
    selected: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    app = make_app(FakeEngine(), text)
    async with app.run_test() as pilot:
        edit_screen(app).completing.is_automatic = False
        editor = edit_screen(app).editor
        await pilot.press("x", "ctrl+z")
        editor.selection = Selection(*selection)
        await pilot.press(key)
        assert editor.text == after
        assert editor.selection == Selection(*selected)
        if after != text:
            await pilot.press("y", "ctrl+z", "ctrl+z")
            assert editor.text == text
            await pilot.press("ctrl+y")
            assert editor.text == after


async def test_from_bracket_to_bracket() -> None:
    text = 'def f(a, b):\n    return {"x": [a, ")"],\n            "y": b}\n'
    app = make_app(FakeEngine(), text, Path("f.py"))
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        for start, end in [
            ((0, 0), (0, 10)),
            ((0, 11), (0, 5)),
            ((1, 11), (2, 18)),
            ((2, 19), (1, 11)),
            ((3, 0), (3, 0)),
        ]:
            editor.move_cursor(start)
            await pilot.press("ctrl+right_square_bracket")
            assert editor.cursor_location == end
        editor.move_cursor((0, 5))
        await pilot.press("alt+i")
        assert editor.cursor_location == (0, 10)
