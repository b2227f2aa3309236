"""To a file, a symbol, another buffer, and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import OptionList

from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.quick_open import QuickOpen
from localcoder.tui.dialogs.quick_pick import QuickPick
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with ignored files, a hidden one, a link that leads back, and a name that is not UTF-8."""
    root = tmp_path / "project"
    for name in ("main.py", "src/shelf.py", "src/book.py", "build/made.py", ".github/ci.yml", "notes.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\n\ndef {path.stem}():\n    return 1\n")
    (root / ".gitignore").write_text("build/\n")
    (root / "src" / "loop").symlink_to(root, target_is_directory=True)
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.py")).write_text("x = 1\n")
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q", str(root)], check=True)
    else:
        (root / ".git").mkdir()
    return root


def app_on(*paths: Path) -> LocalcoderApp:
    return LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile(path.read_text()), path) for path in paths])


async def opened(pilot: Pilot[None], key: str) -> QuickPick:
    await pilot.press(key)
    app = pilot.app
    assert isinstance(app, LocalcoderApp)
    await until(pilot, lambda: isinstance(app.screen, QuickPick))
    assert isinstance(app.screen, QuickPick)
    return app.screen


async def test_a_file_by_some_letters(project: Path) -> None:
    app = app_on(project / "main.py")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = edit_screen(app)
        pick = await opened(pilot, "ctrl+p")
        await until(pilot, lambda: "still reading" not in screen_text(app) and "files" in screen_text(app))
        shown = screen_text(app)
        assert ".github/ci.yml" in shown and "made.py" not in shown and "loop" not in shown
        assert sys.platform != "linux" or "caf\ufffd.py" in shown
        await pilot.press(*"shf")
        await until(pilot, lambda: pick.query_one(OptionList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: screen.buffers.front.path == project / "src" / "shelf.py")
        # Once more: the file before this one stands first, and is taken at once.
        await opened(pilot, "ctrl+p")
        await pilot.press("enter")
        await until(pilot, lambda: screen.buffers.front.path == project / "main.py")
        await pilot.press("alt+apostrophe")
        await until(pilot, lambda: screen.buffers.front.path == project / "src" / "shelf.py")


async def test_keys_that_come_at_once_choose_what_they_say(project: Path) -> None:
    app = app_on(project / "main.py")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = edit_screen(app)
        await pilot.press("ctrl+p", *"book.py:4:5", "enter", "x")
        await until(pilot, lambda: screen.buffers.front.path == project / "src" / "book.py")
        await until(pilot, lambda: "def xbook" in screen.editor.text)


async def test_a_name_that_is_not_utf_8_is_opened(project: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("file names are text here")
    app = app_on(project / "main.py")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = edit_screen(app)
        await pilot.press("ctrl+p", *"caf", "enter")
        await until(pilot, lambda: screen.editor.text == "x = 1\n" and "caf\ufffd.py" in screen_text(app))


async def test_commands_are_behind_a_mark_and_what_went_away_is_said(project: Path) -> None:
    app = app_on(project / "main.py")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = edit_screen(app)
        await pilot.press("ctrl+p", ">", *"comment lines", "enter")
        await until(pilot, lambda: screen.editor.text.startswith("main.py"))
        assert not isinstance(app.screen, CommandPalette)
        pick = await opened(pilot, "ctrl+p")
        await pilot.press(*"notes")
        await until(pilot, lambda: pick.query_one(OptionList).option_count == 1)
        (project / "notes.txt").unlink()
        await pilot.press("enter")
        await until(pilot, lambda: "any more" in screen_text(app))
        assert screen.buffers.front.path == project / "main.py"
        pick = await opened(pilot, "ctrl+p")
        assert isinstance(pick, QuickOpen)
        await pilot.press(*"nosuchfile", "enter", "escape")
        await until(pilot, lambda: app.screen is screen)


async def test_symbols_of_what_is_in_the_buffer() -> None:
    text = (
        "import os\n\n\nclass Shelf:\n    @add.register\n    def add(self):\n        pass\n\n\ndef main():\n    pass\n"
    )
    app = make_app(FakeEngine(), text, Path("shelf.py"))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        editor = edit_screen(app).editor
        await opened(pilot, "ctrl+t")
        await until(pilot, lambda: all(name in screen_text(app) for name in ("Shelf.add  function, line 5", "main")))
        await pilot.press(*"add", "enter")
        await until(pilot, lambda: editor.cursor_location == (5, 8))
        await pilot.press("alt+apostrophe")
        await until(pilot, lambda: editor.cursor_location == (0, 0))
        await pilot.press("ctrl+a", "delete", "ctrl+t")
        await until(pilot, lambda: "Nothing here is known" in screen_text(app))


async def test_buffers_come_by_when_they_were_used(project: Path) -> None:
    app = app_on(project / "main.py", project / "src" / "book.py", project / "src" / "shelf.py")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = edit_screen(app)
        await pilot.press("alt+n", "alt+n", "x")
        assert [buffer.name for buffer in screen.buffers.by_use] == ["shelf.py", "book.py", "main.py"]
        await opened(pilot, "ctrl+l")
        await until(pilot, lambda: "src/shelf.py  unsaved" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: screen.buffers.front.name == "book.py")
        await pilot.press("ctrl+l", *"main", "enter")
        await until(pilot, lambda: screen.buffers.front.name == "main.py")
