"""Keys that a terminal sends all at once, as over ssh and on a busy machine, do what they would do one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key, Paste

from tests.tui.driving import edit_screen, make_app, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.terminal import terminal

SAVE, QUIT, ENTER, ESCAPE = "\x13", "\x11", "\r", "\x1b"
UP, DOWN, HOME, TO_END, TO_START = "\x1b[A", "\x1b[B", "\x1b[H", "\x1b[1;5F", "\x1b[1;5H"
GO_TO_LINE, FIND, UNDO, SETTINGS, MODELS = "\x07", "\x06", "\x1a", "\x1b[21~", "\x1bOQ"
AUTOMATIC_OFF = "\x1b[17~"


ALT_M, ALT_S, ALT_OTHER, ALT_R, ALT_X = "\x1bm", "\x1bs", "\x1b;", "\x1br", "\x1bx"
REPLACE, TAB = "\x12", "\t"


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        (TO_END + "x = 1", "one\ntwo\nthreex = 1"),
        (TO_END + TO_START + "a" + DOWN + "b" + TO_END + "c", "aone\ntbwo\nthreec"),
        (GO_TO_LINE + "3" + ENTER + "new ", "one\ntwo\nnew three"),
        (GO_TO_LINE + "3" + ENTER + "ab" + GO_TO_LINE + "1:2" + ENTER + "cd", "ocdne\ntwo\nabthree"),
        (FIND + "two" + ENTER + ESCAPE + "\x1b[C" + "!", "one\ntwo!\nthree"),
        ("x" + UNDO + "y" + DOWN + UNDO + "z", "zone\ntwo\nthree"),
        (MODELS + ESCAPE + "\x1b[C" + "a" + SETTINGS + ESCAPE + "\x1b[C" + "b", "oanbe\ntwo\nthree"),
        (ALT_M + ALT_M + ALT_S + ESCAPE + ALT_OTHER + "x", "xone\ntwo\nthree"),
        (REPLACE + "o" + TAB + "0" + ALT_R + ESCAPE + HOME + "x", "x0ne\ntw0\nthree"),
        (REPLACE + "[eo]$" + TAB + "!" + ALT_X + ALT_R + ESCAPE + HOME + "x", "xon!\ntw!\nthre!"),
        (FIND + ALT_OTHER + "two" + ENTER + ESCAPE + UP + "x", "onex\ntwo\nthree"),
    ],
    ids=[
        "end",
        "there and back",
        "go to line",
        "twice",
        "find",
        "undo",
        "screens",
        "alt",
        "all",
        "regex",
        "alt in a field",
    ],
)
def test_keys_in_one_write(keys: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("one\ntwo\nthree")
    with terminal(str(path)) as term:
        term.until("Ln 1, Col 1")
        term.until("Complete")
        term.child.delaybeforesend = None
        term.send(AUTOMATIC_OFF + keys + SAVE)
        term.until("Saved")
        assert path.read_text() == after


def test_what_is_typed_behind_quit_goes_to_its_question(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("one")
    with terminal(str(path)) as term:
        term.until("Ln 1, Col 1")
        term.child.delaybeforesend = None
        # The first answer, which has the focus: save, and quit.
        term.send("x" + QUIT + ENTER)
        assert term.ended() == 0
        assert path.read_text() == "xone"


async def test_a_paste_comes_behind_the_keys_before_it() -> None:
    app = make_app(FakeEngine(), "ab\ncd")
    async with app.run_test() as pilot:
        editor = edit_screen(app).editor
        for event in (Key("ctrl+end", None), Paste("x"), Key("ctrl+home", None), Paste("y")):
            app.post_message(event)
        await until(pilot, lambda: editor.text == "yab\ncdx")
