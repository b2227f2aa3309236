"""What was changed since a save, and since the last commit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.difference import ChangesScreen
from localcoder.tui.files import read_text_file
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
async def test_changes_since_a_save_and_since_a_commit(tmp_path: Path) -> None:
    path = tmp_path / "src" / "caf\u00e9.py"
    path.parent.mkdir()
    path.write_bytes(b"one = 1\r\n# caf\xe9\r\n")
    git(tmp_path, "init", "-q")
    app = LocalcoderApp(lambda model: FakeEngine(), [Opened(read_text_file(path), path)])
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        edit_screen(app).completing.is_automatic = False
        await pilot.press("alt+v")
        await until(pilot, lambda: "HEAD has no caf\u00e9.py" in screen_text(app))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", "first")
        app.clear_notifications()
        await pilot.press("alt+v")
        await until(pilot, lambda: "here as it is in HEAD" in screen_text(app))
        await pilot.press(*"two", "enter", "ctrl+s")
        await until(pilot, lambda: path.read_bytes().startswith(b"two\r\n"))
        await pilot.press(*"three", "enter", "alt+v")
        await until(pilot, lambda: isinstance(app.screen, ChangesScreen) and "- in HEAD, + here" in screen_text(app))
        assert "+two" in screen_text(app) and "+three" in screen_text(app) and " # caf\u00e9" in screen_text(app)
        await pilot.press("escape", "alt+y")
        await until(pilot, lambda: "- on the disk, + here" in screen_text(app))
        assert "+two" not in screen_text(app) and "+three" in screen_text(app)
        await pilot.press("escape", "x")
        assert "threex" not in edit_screen(app).editor.text and "\r\nxone" in edit_screen(app).editor.text


async def test_where_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    for path, what in ((None, "has no file yet"), (tmp_path / "gone.py", "There is no file")):
        app = make_app(FakeEngine(), "text", path)
        async with app.run_test(size=(100, 24), notifications=True) as pilot:
            await pilot.press("alt+y")
            await until(pilot, lambda what=what, app=app: what in screen_text(app))  # type: ignore[misc]
