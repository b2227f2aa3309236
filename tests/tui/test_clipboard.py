from __future__ import annotations

import base64
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcoder.engine.local import LocalEngine
from localcoder.tui import clipboard
from tests.tui.driving import edit_screen, ghost_text, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


@pytest.fixture
def no_system_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "_to_system", lambda text, write: None)
    monkeypatch.setattr(clipboard, "paste", lambda: None)


def test_the_system_clipboard_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr("pyperclip.copy", copied.append)
    assert clipboard.copy("text") == "the system clipboard"
    assert copied == ["text"]


def test_over_ssh_the_terminal_s_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
    written: list[str] = []
    assert "OSC 52" in clipboard.copy("text", written.append)
    assert base64.b64encode(b"text").decode() in written[0]


def test_tmux_and_screen_pass_it_on_when_it_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux")
    assert clipboard.osc52("a").startswith("\x1bPtmux;\x1b\x1b]52;c;")
    assert clipboard.osc52("a").endswith("\x1b\\\x1b]52;c;YQ==\x07")
    monkeypatch.delenv("TMUX")
    monkeypatch.setenv("TERM", "screen-256color")
    assert clipboard.osc52("a").startswith("\x1bP\x1b]52;c;")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_in_tmux_the_text_is_in_its_buffer(tmp_path: Path, no_system_clipboard: None) -> None:
    # As tmux is by default since 3.3: it passes no clipboard sequence on, and takes none.
    socket = str(tmp_path / "tmux")
    tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
    program = (
        "from localcoder.tui import clipboard; clipboard._to_system = lambda *_: None; print(clipboard.copy('ä b'))"
    )
    output = tmp_path / "output"
    command = f"{sys.executable} -c {shlex.quote(program)} > {output}.part; mv {output}.part {output}; sleep 60"
    try:
        subprocess.run([*tmux, "new-session", "-d", command], check=True)
        deadline = time.monotonic() + 20
        while not output.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "tmux's buffer" in output.read_text()
        assert subprocess.run([*tmux, "show-buffer"], capture_output=True, check=True).stdout.decode() == "ä b"
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)


def test_what_nothing_takes_goes_to_a_file(no_system_clipboard: None, own_directories: Path) -> None:
    long = "x" * 100_000
    where = clipboard.copy(long, lambda sequence: None)
    assert Path(where).read_text() == long
    assert Path(where).is_relative_to(own_directories)


async def test_the_completion_alone_can_be_copied(no_system_clipboard: None, own_directories: Path) -> None:
    app = make_app(FakeEngine(["answer"]), "text\n")
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await pilot.press("alt+c")
        await until(pilot, lambda: "no completion yet" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        await pilot.press("tab", "alt+c")
        await until(pilot, lambda: "Copied the completion to" in screen_text(app))
        copied = own_directories / "state" / "localcoder" / "copied.txt"
        assert copied.read_text() == "answer"
        await pilot.press("alt+a")
        await until(pilot, lambda: copied.read_text() == "answertext\n")


async def test_copy_takes_what_is_meant_and_says_which(no_system_clipboard: None, own_directories: Path) -> None:
    app = make_app(FakeEngine(["answer"]), "text\n")
    copied = own_directories / "state" / "localcoder" / "copied.txt"
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        edit_screen(app).completing.is_automatic = False
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Copied the buffer to" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Copied the suggestion to" in screen_text(app))
        await pilot.press("tab", "ctrl+c")
        await until(pilot, lambda: "Copied the completion to" in screen_text(app))
        assert copied.read_text() == "answer"
        await pilot.press("shift+left", "ctrl+c")
        await until(pilot, lambda: "Copied the selection to" in screen_text(app))
        assert copied.read_text() == "r"
        app.clear_notifications()
        await pilot.press("left", "ctrl+c")
        await until(pilot, lambda: "Copied the buffer to" in screen_text(app))
        assert copied.read_text() == "answertext\n"


async def test_what_was_cut_or_copied_here_can_be_pasted(no_system_clipboard: None) -> None:
    app = make_app(FakeEngine(), "one\ntwo\n")
    async with app.run_test() as pilot:
        await pilot.press("f6", "shift+end", "ctrl+x", "ctrl+end", "ctrl+v")
        assert edit_screen(app).editor.text == "\ntwo\none"
        await pilot.press("ctrl+home", "ctrl+a", "ctrl+c", "ctrl+end", "ctrl+v")
        assert edit_screen(app).editor.text == "\ntwo\none" * 2


async def test_after_the_worker_was_killed_the_next_request_works(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, n_threads=1)
    app = make_app(engine, "import os\n\n\ndef main():\n    print(os.listdir(")
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        editor = edit_screen(app).editor
        editor.move_cursor(editor.document.end)
        await until(pilot, lambda: app.engines.info)
        await pilot.pause(0.2)
        assert engine._worker is not None
        engine._worker._process.kill()
        await pilot.pause(0.2)
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) or "nothing to add" in screen_text(app))
        assert editor.text.startswith("import os")
