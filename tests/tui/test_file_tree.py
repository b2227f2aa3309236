"""The tree of a project's files: shown, hidden, chosen from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from localcoder.tui.widgets import file_tree
from localcoder.tui.widgets.file_tree import FileTree
from tests.tui.driving import edit_screen, screen_text, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.terminal import terminal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that git's program does not know, with an ignore file, a link that leads back, and odd names."""
    root = tmp_path / "project"
    for name in ("main.py", "src/inner/deep.py", "src/shelf.py", "build/made.py", ".git/HEAD", "new\nline.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    (root / "empty").mkdir()
    (root / ".gitignore").write_text("build/\n")
    (root / "src" / "loop").symlink_to(root, target_is_directory=True)
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.txt")).write_text("x")
    return root


def tree_of(app: LocalcoderApp) -> FileTree:
    return edit_screen(app).query_one(FileTree)


async def reached(pilot: Pilot[None], app: LocalcoderApp, label: str) -> None:
    """Go down until this is under the cursor."""
    for _ in range(30):
        node = tree_of(app).cursor_node
        if node is not None and str(node.label) == label:
            return
        await pilot.press("down")
    raise AssertionError(f"no {label}:\n{screen_text(app)}")


async def test_a_folder_opens_its_tree_and_a_file_is_chosen_from_it(project: Path) -> None:
    app = LocalcoderApp(lambda model: FakeEngine(), [], folder=project)
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        screen = edit_screen(app)
        await until(pilot, lambda: "main.py" in screen_text(app))
        shown = screen_text(app)
        assert all(name in shown for name in ("project", "src", "empty", ".gitignore", "new␊line.txt"))
        assert "build" not in shown and "HEAD" not in shown
        assert sys.platform != "linux" or "caf\ufffd.txt" in shown
        await until(pilot, lambda: tree_of(app).has_focus and "Open" in screen_text(app))
        await reached(pilot, app, "src")
        await pilot.press("right")
        await until(pilot, lambda: "shelf.py" in screen_text(app))
        await reached(pilot, app, "loop")
        await pilot.press("right")
        await until(pilot, lambda: screen_text(app).count("main.py") == 2)
        await pilot.press("left")
        await until(pilot, lambda: screen_text(app).count("main.py") == 1)
        await reached(pilot, app, "shelf.py")
        await pilot.press("enter")
        await until(
            pilot, lambda: screen.buffers.front.path == project / "src" / "shelf.py" and screen.editor.has_focus
        )
        assert len(screen.buffers) == 1 and tree_of(app).display
        # Another program makes a file: it is there when the tree is read again.
        (project / "src" / "later.py").write_text("")
        await pilot.press("alt+t", "r")
        await until(pilot, lambda: "later.py" in screen_text(app))
        await pilot.press("escape")
        assert screen.editor.has_focus and tree_of(app).display
        await pilot.press("alt+t", "alt+t")
        assert screen.editor.has_focus and not tree_of(app).display


async def test_the_tree_goes_to_the_file_in_front(project: Path) -> None:
    path = project / "src" / "inner" / "deep.py"
    app = LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile("x"), path)])
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("alt+t")
        await until(pilot, lambda: str(getattr(tree_of(app).cursor_node, "label", "")) == "deep.py")
        # What went away meanwhile is said, and not made anew.
        path.unlink()
        edit_screen(app).buffers.front.path = None
        await pilot.press("enter")
        await until(pilot, lambda: any("any more" in str(notice.message) for notice in app._notifications))


async def test_of_a_huge_folder_not_everything_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_tree, "_MOST_SHOWN", 3)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.py").write_text("")
    app = LocalcoderApp(lambda model: FakeEngine(), [], folder=folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "2 more" in screen_text(app))
        assert "2.py" in screen_text(app) and "3.py" not in screen_text(app)
        await reached(pilot, app, next(str(node.label) for node in tree_of(app).root.children if node.data is None))
        await pilot.press("enter")
        assert tree_of(app).has_focus


def test_a_folder_is_named_at_the_start(project: Path) -> None:
    with terminal(str(project), columns=100) as term:
        term.until("main.py")
        term.send("\x1b")
        term.until("Complete")
        term.send("\x10deep\r")
        term.until("# src/inner/deep.py")
        term.send("\x11")
        assert term.ended() == 0
