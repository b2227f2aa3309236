"""The editor's own keys."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from textual.document._document import Selection
from textual.events import Key

from localcoder.tui.widgets.find_bar import FindBar
from tests.tui.driving import edit_screen, ghost_text, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


async def test_a_ghost_is_taken_word_by_word_and_line_by_line() -> None:
    app = make_app(FakeEngine(["(a, b):\n    return a\n    x"]), "def f\n")
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor((0, 5))
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app).endswith("x"))
        await pilot.press("ctrl+right", "ctrl+right")
        assert editor.text == "def f(a\n"
        await pilot.press("ctrl+down")
        assert editor.text == "def f(a, b):\n"
        await pilot.press("ctrl+down")
        assert editor.text == "def f(a, b):\n    return a\n"
        assert ghost_text(app) == "\n    x"


async def test_enter_indents_brackets_close_and_backspace_takes_both() -> None:
    app = make_app(FakeEngine())
    async with app.run_test() as pilot:
        edit_screen(app).completing.is_automatic = False
        editor = edit_screen(app).editor
        await pilot.press(*"def f", "(", ")", ":", "enter", *"x", "=", "[", "enter")
        assert editor.text == "def f():\n    x=[\n        \n    ]"
        assert editor.cursor_location == (2, 8)
        await pilot.press("{", "backspace")
        assert editor.text == "def f():\n    x=[\n        \n    ]"


async def test_tab_and_shift_tab_move_selected_lines() -> None:
    app = make_app(FakeEngine(), "a\n\nb\nc\n", Path("x.py"))
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        editor.selection = Selection((0, 0), (3, 0))
        await pilot.press("tab")
        assert editor.text == "    a\n\n    b\nc\n"
        await pilot.press("shift+tab")
        assert editor.text == "a\n\nb\nc\n"
        await pilot.press("ctrl+slash")
        assert editor.text == "# a\n\n# b\nc\n"
        await pilot.press("ctrl+z")
        assert editor.text == "a\n\nb\nc\n"


async def test_tabs_stay_tabs() -> None:
    app = make_app(FakeEngine(), "a\n\tb\n")
    async with app.run_test() as pilot:
        edit_screen(app).editor.move_cursor((2, 0))
        await pilot.press("tab")
        assert edit_screen(app).editor.text == "a\n\tb\n\t"


async def test_find_goes_around_and_replace_all_is_one_undo() -> None:
    app = make_app(FakeEngine(), "one two\none\n\none")
    async with app.run_test(notifications=True) as pilot:
        editor = edit_screen(app).editor
        await pilot.press("ctrl+r", *"one")
        await until(pilot, lambda: "1 of 3" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "2 of 3" in screen_text(app))
        await pilot.press("f3", "f3")
        await until(pilot, lambda: "1 of 3" in screen_text(app))
        assert editor.selected_text == "one"
        await pilot.press("tab", *"1", "alt+r")
        await until(pilot, lambda: editor.text == "1 two\n1\n\n1")
        await pilot.press("escape", "ctrl+z")
        assert editor.text == "one two\none\n\none"
        assert not app.screen.query_one(FindBar).has_class("-open")


async def test_replacing_one_goes_on_to_the_next() -> None:
    app = make_app(FakeEngine(), "ab ab ab")
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        await pilot.press("ctrl+r", *"(a)b", "alt+x")
        await until(pilot, lambda: "1 of 3" in screen_text(app))
        await pilot.press("tab", "x", "backslash", "1", "enter")
        await until(pilot, lambda: editor.text == "xa ab ab")
        assert editor.selection == Selection((0, 3), (0, 5))


async def test_a_wrong_pattern_says_so() -> None:
    app = make_app(FakeEngine(), "ab")
    async with app.run_test() as pilot:
        await pilot.press("ctrl+f", "(", "alt+x")
        await until(pilot, lambda: "Not a regular expression" in screen_text(app))


async def test_go_to_line() -> None:
    app = make_app(FakeEngine(), "\n" * 100)
    async with app.run_test() as pilot:
        await pilot.press("ctrl+g", *"50", "enter")
        await until(pilot, lambda: edit_screen(app).editor.cursor_location == (49, 0))


async def test_undo_goes_back_a_long_way() -> None:
    app = make_app(FakeEngine())
    async with app.run_test() as pilot:
        edit_screen(app).completing.is_automatic = False
        editor = edit_screen(app).editor
        for number in range(300):
            editor.insert(f"line {number}\n")
        for _ in range(300):
            editor.undo()
        await pilot.pause()
        assert editor.text == ""


async def test_escape_sequences_are_shown_and_never_sent_to_the_terminal() -> None:
    app = make_app(FakeEngine(["\x1b[2Jghost"]), "\x1b[31mred\u202e\n")
    async with app.run_test() as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.pause()
        assert "\x1b" not in screen_text(app)
        assert "␛[31mred" in screen_text(app)
        assert "␛[2Jghost" in screen_text(app)


async def test_wide_characters_and_tabs_around_a_ghost() -> None:
    app = make_app(FakeEngine(["世\t界"]), "\t日本\tx\n")
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor((0, 3))
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app).endswith("界"))
        await pilot.pause()
        assert "1     日本世  界  x" in screen_text(app)


@pytest.mark.parametrize(
    ("name", "line", "after"),
    [
        ("new.go", "func f() {", "func f() {\n\t"),
        ("new.yaml", "key:", "key:\n  "),
        ("new.c", "case 1:", "case 1:\n    "),
        ("new.py", "def f():", "def f():\n    "),
    ],
)
async def test_a_new_file_is_indented_as_its_language_is(name: str, line: str, after: str) -> None:
    app = make_app(FakeEngine(), path=Path(name))
    async with app.run_test() as pilot:
        edit_screen(app).editor.closes_brackets = False
        for character in line:
            app.post_message(Key(character, character))
        app.post_message(Key("enter", "\r"))
        await until(pilot, lambda: edit_screen(app).editor.text == after)


async def test_every_state_that_undo_shows_was_there() -> None:
    """Typed, with brackets that come in pairs and are typed over."""
    app = make_app(FakeEngine())
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        edit_screen(app).completing.is_automatic = False
        random = Random(1)
        for _ in range(6):
            editor.load("")
            editor.history.clear()
            seen = {""}
            for _ in range(30):
                character = random.choice("ab()[]\"'f x")
                app.post_message(Key(character, character))
                await until(pilot, lambda: not app._key_order.is_busy)
                seen.add(editor.text)
            while editor.history.undo_stack:
                editor.undo()
                assert editor.text in seen, seen
            assert editor.text == ""
