"""The app's flows against a fake engine: what it shows, and when it stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.widgets import Input

from localcoder.errors import LocalcoderError
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.ask import AskLine, Choose
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from localcoder.tui.widgets.switch import Switch
from tests.tui.driving import edit_screen, ghost_text, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


async def test_a_key_asks_tab_accepts_and_one_undo_takes_it_back() -> None:
    engine = FakeEngine(["(a, b):\n    return a + b"])
    app = make_app(engine, "def add\n\nprint(add(1, 2))\n")
    async with app.run_test(notifications=True) as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor((0, 7))
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app).endswith("a + b"))
        await pilot.pause()
        assert "def add(a, b):" in screen_text(app)
        assert "print(add(1, 2))" in screen_text(app)
        assert editor.text == "def add\n\nprint(add(1, 2))\n"
        await pilot.press("tab")
        assert editor.text == "def add(a, b):\n    return a + b\n\nprint(add(1, 2))\n"
        assert editor.cursor_location == (1, 16)
        assert editor.ghost is None
        await pilot.press("ctrl+z")
        assert editor.text == "def add\n\nprint(add(1, 2))\n"


async def test_a_pause_asks_by_itself() -> None:
    engine = FakeEngine(["x = 1"])
    app = make_app(engine)
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: ghost_text(app) == "x = 1")
        assert len(engine.requests) == 1


@pytest.mark.parametrize(
    "keys",
    [["a", "ctrl+z"], ["a", "ctrl+z", "ctrl+y"], ["a", "up"], ["a", "end"], ["right", "a"]],
    ids=["undo", "redo", "up", "end", "inside a name"],
)
async def test_nothing_comes_by_itself_where_nobody_is_writing_on(keys: list[str]) -> None:
    engine = FakeEngine(["answer"])
    app = make_app(engine, "name\nother")
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        screen.editor.move_cursor((1, 0))
        for key in keys:
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: not app._key_order.is_busy)
        await until(pilot, lambda: screen.completing._timer is None)
        await pilot.pause()
        assert engine.requests == []


async def test_escape_dismisses_and_then_nothing_is_asked_again() -> None:
    engine = FakeEngine(["answer"])
    app = make_app(engine, "a\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "answer")
        await pilot.press("escape")
        assert ghost_text(app) == ""
        await pilot.pause(0.5)
        assert len(engine.requests) == 1


async def test_nothing_is_left_of_a_ghost_that_was_dismissed_while_it_grew(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(FakeEngine([" ".join(f"answer_{number}" for number in range(20))]), "\n")
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        grow = editor.grow_ghost

        def dismissed_in_the_middle(more: str) -> None:
            grow(more)
            if len(ghost_text(app)) > 20:
                editor.clear_ghost()

        monkeypatch.setattr(editor, "grow_ghost", dismissed_in_the_middle)
        await pilot.press("f5")
        await until(pilot, lambda: not edit_screen(app).completing.is_running)
        await pilot.pause()
        assert ghost_text(app) == ""


async def test_typing_what_the_ghost_says_eats_into_it_without_a_new_request() -> None:
    engine = FakeEngine(["answer"], token_s=0.01)
    app = make_app(engine, "\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app).startswith("an"))
        await pilot.press("a", "n")
        await until(pilot, lambda: ghost_text(app) == "swer")
        await pilot.pause(0.5)
        assert edit_screen(app).editor.text == "an\n"
        assert len(engine.requests) == 1
        assert engine.cancelled == 0


async def test_typing_something_else_cancels_at_once() -> None:
    engine = FakeEngine(["answer"], token_s=0.2)
    app = make_app(engine, "\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("x")
        assert ghost_text(app) == ""
        await until(pilot, lambda: engine.cancelled)


async def test_moving_the_cursor_cancels() -> None:
    engine = FakeEngine(["answer"], token_s=0.2)
    app = make_app(engine, "\n\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("down")
        assert ghost_text(app) == ""
        await until(pilot, lambda: engine.cancelled)


async def test_reading_is_shown_as_progress() -> None:
    engine = FakeEngine(["answer"], reading_s=2)
    app = make_app(engine, "some text\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "reading" in screen_text(app) and "left" in screen_text(app))


async def test_a_failing_engine_is_a_notice_and_the_next_request_works() -> None:
    engine = FakeEngine(["answer"], failures=[LocalcoderError("The engine died.", "Ask again.")])
    app = make_app(engine, "text\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "The engine died." in screen_text(app))
        await until(pilot, lambda: "Ask again." in screen_text(app))
        assert edit_screen(app).editor.text == "text\n"
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "answer")


async def test_a_model_that_cannot_be_found_is_a_notice() -> None:
    def factory(model: str | None) -> FakeEngine:
        raise LocalcoderError("There is no model `x`.", "Name another.")

    app = LocalcoderApp(factory, [Opened(TextFile("text\n"))])
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "There is no model" in screen_text(app))


async def test_saving_keeps_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    app = LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile("a\r\nb\f", has_bom=True), path)])
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("x", "enter", "ctrl+s")
        await until(pilot, path.exists)
        assert path.read_bytes() == b"\xef\xbb\xbfx\r\na\r\nb\f"
        await until(pilot, lambda: not edit_screen(app).buffers.front.is_modified)


async def test_an_unnamed_buffer_asks_where_to(tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    app = make_app(FakeEngine(), "text")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("x", "ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, AskLine))
        app.screen.query_one(Input).value = str(path)
        await pilot.press("enter")
        await until(pilot, path.exists)
        assert path.read_text() == "xtext"


async def test_quitting_asks_when_something_is_unsaved() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("x", "ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app))
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: not app.is_running)


async def test_quitting_without_changes_ends_the_engine_too() -> None:
    engine = FakeEngine(["answer"])
    app = make_app(engine, "text")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app))
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)
    assert engine.closed


async def test_copying_says_where_to() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Copied the buffer to" in screen_text(app))


async def test_the_ghost_near_the_lower_edge_is_scrolled_into_view() -> None:
    app = make_app(FakeEngine(["one\ntwo\nthree"]), "\n" * 60)
    async with app.run_test(notifications=True) as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor((40, 0))
        await pilot.pause()
        await pilot.press("f5")
        await until(pilot, lambda: "three" in screen_text(app))


async def test_alternatives_are_asked_for_and_come_back() -> None:
    engine = FakeEngine(["first", "first", "second"])
    app = make_app(engine, "\n")
    async with app.run_test() as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "first" and "tok/s" in screen_text(app))
        await pilot.pause(0.1)
        await pilot.press("f8")
        await until(pilot, lambda: ghost_text(app) == "second" and "2 of 2" in screen_text(app))
        assert len(engine.requests) == 3
        assert engine.requests[-1].sampling.temperature > 0
        await pilot.press("f7")
        await until(pilot, lambda: ghost_text(app) == "first" and "1 of 2" in screen_text(app))
        await pilot.press("f8", "tab")
        assert edit_screen(app).editor.text == "second\n"


async def test_the_length_of_suggestions_can_be_changed() -> None:
    engine = FakeEngine(["one\ntwo"])
    app = make_app(engine, "\n")
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("alt+m", "alt+m")
        await until(pilot, lambda: "one line" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "one")


async def test_nothing_comes_by_itself_when_that_is_off() -> None:
    engine = FakeEngine(["answer"])
    app = make_app(engine)
    async with app.run_test() as pilot:
        await pilot.press("f6", "a")
        await pilot.pause(0.6)
        assert engine.requests == []


async def test_what_is_pasted_is_read_before_anyone_asks() -> None:
    engine = FakeEngine(["answer"])
    app = make_app(engine)
    async with app.run_test() as pilot:
        await pilot.press("f6")
        await until(pilot, lambda: engine.warmed)
        read_before = len(engine.warmed)
        assert app.screen.focused
        app.screen.focused.post_message(Paste("def f():\n"))
        await until(pilot, lambda: len(engine.warmed) > read_before)
        assert len(engine.warmed[-1]) >= len("def f():\n")


async def test_notices_are_where_the_cursor_is_not() -> None:
    app = make_app(FakeEngine(), "line\n" * 28)
    async with app.run_test(size=(80, 30), notifications=True) as pilot:

        def row_of_notice() -> int:
            return next((i for i, row in enumerate(screen_text(app).splitlines()) if "a notice" in row), -1)

        app.notify("a notice")
        await until(pilot, lambda: row_of_notice() >= 15)
        await pilot.press("ctrl+end")
        await until(pilot, lambda: 0 < row_of_notice() < 15)


async def test_white_space_alone_is_not_suggested() -> None:
    app = make_app(FakeEngine(["  "]), "a\n")
    async with app.run_test() as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "nothing to add here" in screen_text(app))
        assert ghost_text(app) == ""


async def test_mixed_line_endings_are_kept_shown_and_said() -> None:
    app = make_app(FakeEngine(), "a\r\nb\n")
    async with app.run_test(size=(120, 20), notifications=True) as pilot:
        await until(pilot, lambda: "ends its lines in two ways" in screen_text(app))
        assert "a␍" in screen_text(app)
        await pilot.press("x")
        assert edit_screen(app).editor.text == "xa\r\nb\n"


async def test_moving_the_cursor_while_the_prompt_is_read_ends_that_too() -> None:
    engine = FakeEngine(["answer"], reading_s=0.5)
    app = make_app(engine, "one\ntwo\n")
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.engines.info)
        await pilot.press("f5")
        await until(pilot, lambda: engine.requests)
        await pilot.press("down")
        await pilot.pause(0.8)
        assert ghost_text(app) == ""
        assert engine.cancelled


async def test_a_mistake_of_the_program_s_own_does_not_close_it() -> None:
    engine = FakeEngine(["answer"], failures=[RuntimeError("a bug")])
    app = make_app(engine, "text\n")
    async with app.run_test(size=(120, 20), notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "RuntimeError: a bug" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "answer")


async def test_asking_again_over_a_suggestion_gives_a_new_one() -> None:
    engine = FakeEngine(["first", "second"], token_s=0.02)
    app = make_app(engine, "\n")
    async with app.run_test() as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "first" and "tok/s" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "second" and "tok/s" in screen_text(app))
        assert engine.cancelled == 0


async def test_asking_right_behind_a_key_is_not_ended_by_that_key() -> None:
    engine = FakeEngine(["answer"])
    app = make_app(engine, "\n")
    async with app.run_test() as pilot:
        edit_screen(app).completing.is_automatic = False
        app.post_message(Key("x", "x"))
        app.post_message(Key("f5", None))
        await until(pilot, lambda: ghost_text(app) == "answer")
        assert edit_screen(app).editor.text == "x\n"


@pytest.mark.parametrize(("size", "lines"), [((120, 40), 27), ((80, 30), 25)], ids=lambda value: str(value))
async def test_a_suggestion_that_no_longer_fits_and_a_resize(size: tuple[int, int], lines: int) -> None:
    answer = "\n".join(f"answer {number}" for number in range(5 if lines == 25 else 20))
    app = LocalcoderApp(
        lambda model: FakeEngine([answer]),
        [Opened(TextFile("line\n" * (lines - 1) + "end"))],
        chosen=Settings(mode="free", automatic=False),
    )
    async with app.run_test(size=size) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == answer)
        editor = edit_screen(app).editor
        assert editor.virtual_size.height == lines + answer.count("\n") > editor.size.height
        for width in (size[0] - 2, size[0]):
            await pilot.resize_terminal(width, size[1])
            await pilot.pause()
            assert editor.show_vertical_scrollbar and "answer 4" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert not editor.show_vertical_scrollbar
        assert editor.virtual_size.height == lines


async def test_a_resize_while_a_suggestion_comes() -> None:
    answer = "\n".join(f"answer {number}" for number in range(25))
    app = LocalcoderApp(
        lambda model: FakeEngine([answer], token_s=0.02),
        [Opened(TextFile("line\n" * 20))],
        chosen=Settings(mode="free", automatic=False),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f5")
        for size in ((60, 20), (100, 12), (80, 24)):
            length = len(ghost_text(app))
            await until(pilot, lambda: len(ghost_text(app)) > length)  # noqa: B023 (it is waited for here)
            await pilot.resize_terminal(*size)
        await until(pilot, lambda: ghost_text(app) == answer and "tok/s" in screen_text(app))
        assert "answer 3" in screen_text(app)
        assert edit_screen(app).editor.text == "line\n" * 20


async def test_a_small_screen_shows_all_answers_to_a_question() -> None:
    app = make_app(FakeEngine(), "text")
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("f6", "x", "ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await until(pilot, lambda: all(word in screen_text(app) for word in ("Save and", "without saving", "Stay")))


async def test_commands_come_behind_the_keys_typed_before_them(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    engine = FakeEngine(["answer"])
    app = make_app(engine, "ab\ncd", path)
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        screen.completing.is_automatic = False
        # As a terminal sends them that has several ready at once.
        for key in ("x", "right", "ctrl+z", "right", "f5"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: ghost_text(app) == "answer")
        assert (screen.editor.text, screen.editor.cursor_location) == ("ab\ncd", (0, 1))
        for key in ("y", "ctrl+z", "ctrl+s"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, path.exists)
        assert path.read_text() == "ab\ncd"


async def test_the_find_bar_counts_and_its_switch_shows_whether_it_is_on() -> None:
    app = make_app(FakeEngine(), "one\ntwo\none two\n")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+f", *"one")
        await until(pilot, lambda: "1 of 2" in screen_text(app) and "[ ] Regex" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "2 of 2" in screen_text(app))
        await pilot.click(Switch)
        await until(pilot, lambda: "[x] Regex" in screen_text(app))
        await pilot.press("$")
        await until(pilot, lambda: "1 of 1" in screen_text(app))
        await pilot.press("alt+x")
        await until(pilot, lambda: "0 found" in screen_text(app) and "[ ] Regex" in screen_text(app))
        await pilot.press("alt+x", "(")
        await until(pilot, lambda: "Not a regular expression" in screen_text(app))
