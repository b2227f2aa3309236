"""A text in all files of the project, and the definition of a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from localcoder.repository.index import Index
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.project_search import ProjectSearch
from localcoder.tui.dialogs.quick_pick import QuickPick
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, screen_text, until
from tests.tui.fake_engine import FakeEngine

USE = "from shelf import Shelf\n\n\ndef main():\n    return Shelf().add_book\n"
SHELF = "class Shelf:\n    def add_book(self):\n        pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "use.py").write_text(USE)
    (root / "shelf.py").write_text(SHELF)
    (root / "notes.txt").write_text("\tA Shelf.\n")
    return root


def app_on(path: Path) -> LocalcoderApp:
    return LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile(path.read_text()), path)])


async def test_lines_that_have_a_text_are_listed_and_gone_to(project: Path) -> None:
    app = app_on(project / "use.py")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = edit_screen(app)
        screen.completing.is_automatic = False
        # What is not saved counts, and not the file.
        await pilot.press(*"# Shelfish", "enter", "alt+slash", *"shelf")
        await until(pilot, lambda: "5 lines in 3 files" in screen_text(app) and "still" not in screen_text(app))
        assert all(line in screen_text(app) for line in ("use.py:1  # Shelfish", "notes.txt:1  A Shelf."))
        await pilot.press("alt+x")
        assert "[x] Regex" in screen_text(app)
        await pilot.press("backspace", "backspace", *"lf:$")
        await until(pilot, lambda: "1 line in 1 file" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: screen.buffers.front.path == project / "shelf.py")
        assert screen.editor.cursor_location == (0, 6)
        await pilot.press("alt+apostrophe")
        await until(pilot, lambda: screen.buffers.front.path == project / "use.py")
        # It comes back with what was looked for, where one was.
        await pilot.press("alt+slash")
        await until(pilot, lambda: "[x] Regex" in screen_text(app) and "shelf.py:1" in screen_text(app))
        assert app.screen.query_one(Input).value == "shelf:$"
        await pilot.press("(")
        await until(pilot, lambda: "Not a regular expression" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)


async def test_keys_that_come_at_once_go_to_the_first_line(project: Path) -> None:
    app = app_on(project / "use.py")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = edit_screen(app)
        await pilot.press("alt+slash", *"def add", "enter", "x")
        await until(pilot, lambda: "    xdef add_book" in screen.editor.text)


async def test_the_selection_is_looked_for(project: Path) -> None:
    app = app_on(project / "use.py")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("shift+right", "shift+right", "shift+right", "shift+right", "alt+slash")
        await until(pilot, lambda: isinstance(app.screen, ProjectSearch))
        assert app.screen.query_one(Input).value == "from"


@pytest.mark.parametrize("has_index", [False, True])
async def test_a_definition_in_another_file(project: Path, has_index: bool) -> None:
    if has_index:
        with Index(project) as index:
            for _ in index.update():
                pass
        # The index is older than the file.
        (project / "shelf.py").write_text("\n\n" + SHELF)
    app = app_on(project / "use.py")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = edit_screen(app)
        screen.editor.move_cursor((4, 27))
        await pilot.press("alt+full_stop")
        await until(pilot, lambda: screen.buffers.front.name == "shelf.py")
        await until(pilot, lambda: screen.editor.cursor_location == (1 + 2 * has_index, 8))
        await pilot.press("alt+apostrophe")
        await until(pilot, lambda: screen.buffers.front.name == "use.py")
        assert screen.editor.cursor_location == (4, 27)


async def test_a_definition_here_or_nowhere_or_in_several_places(project: Path) -> None:
    app = app_on(project / "use.py")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = edit_screen(app)
        screen.completing.is_automatic = False
        await pilot.press("ctrl+end", *"main()", "home", "alt+full_stop")
        await until(pilot, lambda: screen.editor.cursor_location == (3, 4))
        await pilot.press("alt+full_stop")
        await until(pilot, lambda: "No other definition of main" in screen_text(app))
        screen.editor.move_cursor((1, 0))
        await pilot.press("alt+full_stop")
        await until(pilot, lambda: "no name at the cursor" in screen_text(app))
        (project / "other.go").write_text("package p\n\nfunc Shelf() {}\n")
        screen.editor.move_cursor((0, 20))
        await pilot.press("alt+full_stop")
        await until(pilot, lambda: isinstance(app.screen, QuickPick))
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 2)
        assert "class in shelf.py, line 1" in screen_text(app)
        await pilot.press(*"shelf", "escape")
        await until(pilot, lambda: app.screen is screen)
        assert screen.editor.cursor_location == (0, 20)
