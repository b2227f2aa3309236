"""Several files, changes on disk, and what survives."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from textual.events import Paste
from textual.widgets import Input, OptionList

from localcoder.tui import session
from localcoder.tui.dialogs.ask import AskLine, Choose, PickOne
from localcoder.tui.files import TextFile
from localcoder.tui.session import SavedBuffer, Session
from localcoder.tui.start import begin
from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.terminal import terminal


@pytest.fixture
def two_files(tmp_path: Path) -> tuple[Path, Path]:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("one\n")
    two.write_text("two\n")
    return one, two


async def test_files_are_opened_beside_each_other_and_closed(two_files: tuple[Path, Path]) -> None:
    one, two = two_files
    app = make_app(FakeEngine())
    async with app.run_test(notifications=True) as pilot:
        screen = edit_screen(app)
        for path in two_files:
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(app.screen, AskLine))
            app.screen.query_one(Input).value = str(path)
            await pilot.press("enter")

            def is_in_front(path: Path = path) -> bool:
                return screen.buffers.front.path == path

            await until(pilot, is_in_front)
        assert [buffer.path for buffer in screen.buffers] == [one, two]
        await pilot.press("alt+n")
        assert screen.buffers.front.path == one
        await pilot.press("x", "alt+n", "alt+p")
        assert screen.editor.text == "xone\n"
        assert "one.py ●  two.py" in screen_text(app)
        await pilot.press("alt+w")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("enter")
        await until(pilot, lambda: [buffer.path for buffer in screen.buffers] == [two])
        assert one.read_text() == "xone\n"
        await pilot.press("alt+o")
        await until(pilot, lambda: isinstance(app.screen, PickOne))
        await pilot.press("enter")
        await until(pilot, lambda: screen.buffers.front.path == one)


def test_the_last_session_comes_back(two_files: tuple[Path, Path]) -> None:
    one, two = two_files
    session.finish(Session((SavedBuffer(str(one), None, 0, 2), SavedBuffer(str(two), None)), 1, "model"))
    start = begin(None, restore=True)
    assert [(opened.path, opened.column) for opened in start.buffers] == [(one, 2), (two, 0)]
    assert (start.active, start.model, start.notice) == (1, "model", "")
    one.unlink()
    assert [opened.path for opened in begin(None, restore=True).buffers] == [two]
    assert begin(None, restore=True).active == 0
    assert begin(None, restore=False).buffers == ()


def test_a_named_file_comes_alone(two_files: tuple[Path, Path]) -> None:
    one, two = two_files
    session.finish(Session((SavedBuffer(str(one), None),)))
    assert [opened.path for opened in begin(two, restore=True).buffers] == [two]
    start = begin(one.parent, restore=True)
    assert (start.buffers, start.folder) == ((), one.parent)


def test_a_broken_session_file_is_no_reason_not_to_start(own_directories: Path) -> None:
    folder = own_directories / "state" / "localcoder" / "sessions"
    folder.mkdir(parents=True)
    (folder / "last.json").write_text("{broken")
    (folder / "1-2.json").write_text('{"buffers": [{"nonsense": 1}], "active": 0}')
    assert begin(None, restore=True).buffers == ()


def test_what_is_open_here_is_not_taken_for_lost() -> None:
    session.keep(Session((SavedBuffer(None, "mine"),)))
    assert begin(None, restore=True).buffers == ()


def test_a_killed_app_s_text_is_given_back_once(own_directories: Path) -> None:
    session.keep(Session((SavedBuffer(None, "lost\ud800", 0, 3),)))
    folder = own_directories / "state" / "localcoder" / "sessions"
    (own,) = folder.glob("*.json")
    own.rename(folder / "999999999-1.json")
    start = begin(None, restore=True)
    assert [(opened.unsaved, opened.content, opened.column) for opened in start.buffers] == [
        ("lost\ud800", TextFile(""), 3)
    ]
    assert "1 unsaved buffer is back" in start.notice
    session.forget_taken()
    assert begin(None, restore=True).buffers == ()


def test_kill_9_loses_nothing_that_was_typed(tmp_path: Path) -> None:
    path = tmp_path / "work.py"
    path.write_text("saved = 1\n")
    with terminal(str(path)) as term:
        term.until("saved = 1")
        term.send("typed = 2")
        term.until("typed = 2")
        term.pump(0.15)
        os.kill(term.child.pid, signal.SIGKILL)
    assert path.read_text() == "saved = 1\n"
    with terminal() as term:
        term.until("typed = 2")
        assert "work.py ●" in term.text
        term.until("1 unsaved buffer is back")
        term.send("\x11")
        term.until("unsaved changes")
        term.send("\r")
        assert term.ended() == 0
    assert path.read_text() == "typed = 2saved = 1\n"
    with terminal() as term:
        term.until("typed = 2saved = 1")
        assert "●" not in term.text


async def test_an_older_text_never_replaces_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    running = 0
    kept: list[str] = []

    def keep_slowly(state: Session) -> None:
        nonlocal running
        running += 1
        assert running == 1
        time.sleep(0.15)
        kept.append((state.buffers[0].text or "") if state.buffers else "")
        running -= 1

    monkeypatch.setattr(session, "keep", keep_slowly)
    app = make_app(FakeEngine())
    async with app.run_test() as pilot:
        edit_screen(app).completing.is_automatic = False
        for key in "abcdef":
            await pilot.press(key)
            await pilot.pause(0.02)
        await until(pilot, lambda: kept and kept[-1] == "abcdef")
        assert kept == sorted(kept, key=len)


async def test_the_language_of_what_is_pasted_is_known_or_chosen(tmp_path: Path) -> None:
    app = make_app(FakeEngine())
    async with app.run_test(size=(100, 40)) as pilot:
        screen = edit_screen(app)
        app.post_message(Paste('package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println(1)\n}\n'))
        await until(pilot, lambda: screen.editor.known_language.name == "go" and "Go  Ln" in screen_text(app))
        await pilot.press("alt+g")
        await until(pilot, lambda: isinstance(app.screen, PickOne))
        options = app.screen.query_one(OptionList)
        options.highlighted = next(i for i, option in enumerate(options.options) if str(option.prompt) == "C++")
        await pilot.press("enter")
        await until(pilot, lambda: screen.editor.known_language.name == "cpp")
        app.post_message(Paste("func f() {\n}\n"))
        await until(pilot, lambda: not app._key_order.is_busy and "func f" in screen.editor.text)
        screen.buffers.front.set_saved(tmp_path / "x.rs", screen.buffers.front.content)
        assert screen.editor.known_language.name == "cpp"
        await pilot.press("alt+g", "enter")
        await until(pilot, lambda: screen.editor.known_language.name == "rust")
        screen.buffers.front.set_saved(tmp_path / "x.lua", screen.buffers.front.content)
        assert screen.editor.known_language.name == "lua"
