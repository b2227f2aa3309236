"""What the mouse does in the editor and in the title bar."""

from __future__ import annotations

import pytest

from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from localcoder.tui.text.words import word_at
from localcoder.tui.widgets.title_bar import first_shown
from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


@pytest.mark.parametrize(
    ("column", "word"), [(0, "x_1"), (2, "x_1"), (3, " "), (5, "+="), (7, "café"), (11, "café"), (99, "café")]
)
def test_a_word_is_a_name_or_what_stands_between_names(column: int, word: str) -> None:
    line = "x_1 += café"
    start, end = word_at(line, column)
    assert line[start:end] == word
    assert word_at("", 0) == (0, 0)


async def test_two_clicks_take_a_word_three_a_line() -> None:
    app = make_app(FakeEngine(), "one two\nthree")
    async with app.run_test(size=(80, 20)) as pilot:
        editor = edit_screen(app).editor
        place = (editor.gutter_width + 5, 0)
        await pilot.click(editor, offset=place, times=2)
        await until(pilot, lambda: editor.selected_text == "two")
        await pilot.click(editor, offset=(editor.gutter_width + 1, 0), times=3)
        await until(pilot, lambda: editor.selected_text == "one two\n")


async def test_names_stay_in_their_places_and_a_click_shows_a_buffer() -> None:
    opened = [Opened(TextFile("text"), None), Opened(TextFile("other"), None), Opened(TextFile("third"), None)]
    app = LocalcoderApp(lambda model: FakeEngine(), opened)
    async with app.run_test(size=(120, 20)) as pilot:
        screen = edit_screen(app)
        names = screen_text(app).splitlines()[0][:60]
        await pilot.click("#file", offset=(14, 0))
        await until(pilot, lambda: screen.buffers.front_index == 1)
        assert screen_text(app).splitlines()[0][:60] == names
        assert screen.editor.text == "other"


def test_the_name_in_front_is_shown_where_there_is_no_room_for_all() -> None:
    assert first_shown([10, 10, 10], 2, 100) == 0
    assert first_shown([10, 10, 10], 2, 34) == 0
    assert first_shown([10, 10, 10], 2, 30) == 1
    assert first_shown([10, 10, 10], 2, 8) == 2
    assert first_shown([10, 10, 10], 0, 8) == 0
