"""What happens when another program writes a file that is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.ask import Choose
from localcoder.tui.dialogs.difference import DifferenceScreen
from localcoder.tui.files import read_text_file
from localcoder.tui.start import Opened, begin
from localcoder.tui.widgets.disk_bar import DiskBar
from tests.tui.driving import edit_screen, screen_text, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.terminal import terminal

SAVE, QUIT = "\x13", "\x11"
_LINES = [f"line {number}" for number in range(100)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "one.py"
    write(path, "one\n")
    return path


def opened(*paths: Path, engine: FakeEngine | None = None) -> LocalcoderApp:
    engine = engine or FakeEngine()
    return LocalcoderApp(
        lambda model: engine, [Opened(read_text_file(path), path) for path in paths], chosen=Settings(automatic=False)
    )


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def delete(path: Path) -> None:
    path.unlink()


def is_asking(app: LocalcoderApp) -> bool:
    return edit_screen(app).query_one(DiskBar).has_class("-open")


async def look(app: LocalcoderApp, pilot: Pilot[None]) -> None:
    """Let the app look, and see that the file is not being written any more."""
    watch = edit_screen(app).disk_watch
    watch.look()
    await until(pilot, lambda: not watch._settling)


async def test_a_buffer_without_changes_takes_over_what_another_program_writes(path: Path) -> None:
    app = opened(path)
    async with app.run_test(notifications=True) as pilot:
        screen = edit_screen(app)
        for text in ("two\n", "two\nthree\n", "", "four", "five\r\nsix\r\n", "seven\r\neight\n", "\ufeffnine\n"):
            write(path, text)
            await look(app, pilot)
            assert screen.editor.text == text.removeprefix("\ufeff")
            assert not screen.buffers.front.is_modified
            assert app.screen is screen and not is_asking(app)
        await pilot.press("!", "ctrl+s")
        await until(pilot, lambda: not screen.buffers.front.is_modified)
        assert read(path) == "\ufeff!nine\n"


async def test_what_was_there_before_can_be_had_back_by_undo(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        texts = ["one\n", "two\nthree\n", "two\r\nthree\r\n", "four\r\nfive\n"]
        for text in texts[1:]:
            write(path, text)
            await look(app, pilot)
        for text in texts[-2::-1]:
            await pilot.press("ctrl+z")
            assert editor.text == text
            assert edit_screen(app).buffers.front.is_modified
        for text in texts[1:]:
            await pilot.press("ctrl+y")
            assert editor.text == text
        assert not edit_screen(app).buffers.front.is_modified


async def test_the_cursor_and_what_is_in_view_stay(path: Path) -> None:
    write(path, "\n".join(_LINES))
    app = opened(path)
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor((50, 3))
        await pilot.pause()
        row_on_screen = editor._cursor_offset[1] - editor.scroll_offset.y

        async def written(*lines: str) -> None:
            write(path, "\n".join(lines))
            await look(app, pilot)
            await pilot.pause()

        await written("new", "new", *_LINES[:90], "changed", *_LINES[91:])
        assert editor.cursor_location == (52, 3)
        assert editor._cursor_offset[1] - editor.scroll_offset.y == row_on_screen
        editor.scroll_to(y=0, animate=False, immediate=True)
        await pilot.pause()
        await written(*_LINES[:50], "line fifty", *_LINES[51:])
        assert editor.cursor_location == (50, 3)
        assert editor.scroll_offset.y == 0
        await written("short")
        assert editor.cursor_location == (0, 3)


async def test_a_buffer_behind_is_taken_over_without_a_word_in_front(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "two.py"
    write(other, "two\n")
    engine = FakeEngine(["answer"], token_s=0.05)
    app = opened(path, other, engine=engine)
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        await pilot.press("f5")
        await until(pilot, lambda: screen.editor.ghost)
        write(other, "changed\n")
        await look(app, pilot)
        assert list(screen.buffers)[1].editor.text == "changed\n"
        await until(pilot, lambda: screen.editor.ghost and screen.editor.ghost.text == "answer")
        assert engine.cancelled == 0


async def test_a_buffer_with_changes_asks_once_and_takes_no_key(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        await pilot.press("x")
        for number in range(6):
            write(path, f"theirs {number}\n")
            await look(app, pilot)
            await pilot.press("y")
            assert app.screen is screen and is_asking(app)
        assert screen.editor.text == "xyyyyyyone\n"
        assert screen_text(app).count("changed on disk") == 1
        await pilot.press("alt+d", "escape", "z", "alt+d", "right", "enter")
        await until(pilot, lambda: screen.editor.text == "theirs 5\n")
        assert not screen.buffers.front.is_modified and not is_asking(app)
        await pilot.press("ctrl+z")
        assert screen.editor.text == "xyyyyyyzone\n"


async def test_the_difference_is_shown_and_decided_on(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        await pilot.press("x")
        write(path, "theirs\n")
        await look(app, pilot)
        await pilot.press("alt+d", "enter")
        await until(pilot, lambda: isinstance(app.screen, DifferenceScreen) and "-xone" in screen_text(app))
        assert "+theirs" in screen_text(app)
        write(path, "theirs again\n")
        await look(app, pilot)
        await pilot.press("k")
        await until(pilot, lambda: app.screen is screen)
        assert is_asking(app), "what was decided on is not what is there"
        await pilot.press("alt+d", "enter")
        await until(pilot, lambda: "+theirs again" in screen_text(app))
        await pilot.press("k")
        await until(pilot, lambda: not is_asking(app))
        assert screen.editor.text == "xone\n" and screen.buffers.front.is_modified
        await pilot.press("ctrl+s")
        await until(pilot, lambda: read(path) == "xone\n")


async def test_a_save_does_not_overwrite_what_was_not_looked_at_yet(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        await pilot.press("x")
        write(path, "theirs\n")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Not saved: one.py changed on disk" in screen_text(app))
        await pilot.press("ctrl+s", "y")
        assert read(path) == "theirs\n"
        assert screen.editor.text == "xyone\n"
        await pilot.click("#keep")
        await until(pilot, lambda: read(path) == "xyone\n")
        await until(pilot, lambda: not screen.buffers.front.is_modified and not is_asking(app))


async def test_saving_and_leaving_does_not_overwrite_it_either(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        for key in ("ctrl+q", "alt+w"):
            await pilot.press("x")
            write(path, f"theirs {key}\n")
            await pilot.press(key)
            await until(pilot, lambda: isinstance(app.screen, Choose))
            await pilot.press("enter")
            await until(pilot, lambda: is_asking(app) and app.screen is edit_screen(app))
            assert read(path) == f"theirs {key}\n"
        assert edit_screen(app).editor.text == "xxone\n"


async def test_what_another_program_wrote_already_needs_no_question(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        screen = edit_screen(app)
        await pilot.press("x")
        write(path, "theirs\n")
        await look(app, pilot)
        await pilot.press("alt+d")
        write(path, "xone\n")
        await look(app, pilot)
        assert not is_asking(app) and not screen.buffers.front.is_modified
        await pilot.press("y")
        assert screen.editor.text == "xyone\n", "the keys go to the text again"
        write(path, "xyone\n")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("enter")
        await until(pilot, lambda: not app.is_running)


async def test_a_file_that_was_only_touched_is_saved_without_a_question(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        await pilot.press("x")
        write(path, "one\n")
        write(path, "one\n")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: read(path) == "xone\n")
        write(path, "theirs\n")
        await look(app, pilot)
        assert edit_screen(app).editor.text == "theirs\n"


async def test_a_deleted_file_is_said_once_and_written_again(path: Path) -> None:
    app = opened(path)
    async with app.run_test(notifications=True) as pilot:
        delete(path)
        await look(app, pilot)
        await until(pilot, lambda: "was deleted" in screen_text(app))
        assert edit_screen(app).buffers.front.is_modified
        await look(app, pilot)
        assert len(app._notifications) == 1
        await pilot.press("ctrl+s")
        await until(pilot, lambda: path.exists() and not edit_screen(app).buffers.front.is_modified)
        delete(path)
        await look(app, pilot)
        write(path, "back\n")
        await look(app, pilot)
        assert edit_screen(app).editor.text == "back\n" and not edit_screen(app).buffers.front.is_modified


async def test_a_file_that_is_no_text_any_more_is_not_overwritten_unasked(path: Path) -> None:
    app = opened(path)
    async with app.run_test(notifications=True) as pilot:
        write(path, "\udcff\x00")
        await look(app, pilot)
        await until(pilot, lambda: is_asking(app) and "can no longer be read" in screen_text(app))
        await pilot.press("x", "ctrl+s")
        await until(pilot, lambda: "Not saved" in screen_text(app))
        assert read(path) == "\udcff\x00"
        await pilot.press("alt+d", "enter")
        await until(pilot, lambda: read(path) == "xone\n")
        await until(pilot, lambda: not edit_screen(app).buffers.front.is_modified)


async def test_a_file_that_is_being_written_is_not_read(path: Path) -> None:
    app = opened(path)
    async with app.run_test() as pilot:
        watch, editor = edit_screen(app).disk_watch, edit_screen(app).editor
        write(path, "")
        watch.look()
        assert editor.text == "one\n"
        write(path, "whole\n")
        await look(app, pilot)
        assert editor.text == "whole\n"
        await pilot.press("ctrl+z")
        assert editor.text == "one\n"


async def test_a_change_before_the_first_look_is_noticed(path: Path) -> None:
    app = opened(path)
    write(path, "before the app was there\n")
    async with app.run_test() as pilot:
        await look(app, pilot)
        assert edit_screen(app).editor.text == "before the app was there\n"


@pytest.mark.parametrize("is_changed", [True, False])
async def test_a_text_that_a_crash_left_does_not_overwrite_what_was_written_since(
    path: Path, own_directories: Path, is_changed: bool
) -> None:
    app = opened(path)
    folder = own_directories / "state" / "localcoder" / "sessions"
    async with app.run_test() as pilot:
        await pilot.press("x")
        await until(pilot, lambda: any('"xone' in kept.read_text() for kept in folder.glob("*-*.json")))
        (kept,) = folder.glob("*-*.json")
        left = kept.read_text()
    (folder / "999999999-1.json").write_text(left)
    if is_changed:
        write(path, "theirs\n")
    start = begin(None, restore=True)
    app = LocalcoderApp(lambda model: FakeEngine(), start.buffers, chosen=Settings(automatic=False))
    async with app.run_test() as pilot:
        assert edit_screen(app).editor.text == "xone\n"
        assert is_asking(app) == is_changed
        await pilot.press("ctrl+s")
        if is_changed:
            await until(pilot, lambda: "Not saved" in screen_text(app))
            assert read(path) == "theirs\n"
        else:
            await until(pilot, lambda: read(path) == "xone\n")


def test_typing_goes_on_while_another_program_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALCODER_AUTOMATIC", "off")
    with terminal(str(path)) as term:
        term.until("one")
        write(path, "two\n")
        term.until("two")
        assert "●" not in term.text
        term.send("mine ")
        term.until("mine two")
        write(path, "theirs\n")
        term.send("and ")
        term.until("changed on disk")
        term.send("more ")
        term.until("mine and more two")
        term.send(SAVE)
        term.until("Not saved")
        assert read(path) == "theirs\n"
        term.send("\x1bd")
        term.send("\r")
        term.until("+theirs")
        term.send("k")
        term.until("Saved")
        assert read(path) == "mine and more two\n"
        term.send(QUIT)
        assert term.ended() == 0
