"""The whole program as a user starts it, in a pseudo-terminal."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.tui.terminal import terminal

ASK, ACCEPT, SAVE, QUIT = "\0", "\t", "\x13", "\x11"


def test_open_complete_accept_save_quit(tmp_path: Path) -> None:
    path = tmp_path / "hello.py"
    path.write_text("import os\n\n\ndef main():\n    print(os.listdir")
    with terminal(str(path)) as term:
        term.until("def main():")
        term.send("\x1b[1;5F")
        term.send(ASK)
        term.until("tok/s")
        assert "demonstration model" in term.text
        before = path.read_text()
        term.send(ACCEPT)
        term.until("●")
        term.send(SAVE)
        term.until("Saved")
        assert path.read_text() != before
        term.send(QUIT)
        assert term.ended() == 0


def test_what_cannot_be_opened_is_two_lines_and_exit_code_2(tmp_path: Path) -> None:
    with terminal(str(tmp_path), columns=200) as term:
        term.until("is a directory")
        assert term.ended() == 2
        assert "Traceback" not in term.text


def test_a_pasted_megabyte_arrives_whole_and_soon(tmp_path: Path) -> None:
    path = tmp_path / "pasted.txt"
    text = "".join(f"line {number} \x1b[31mof\x1b[0m 世界\n" for number in range(35_000))
    with terminal(str(path)) as term:
        term.until("Type or paste")
        term.child.delaybeforesend = None
        feeder = threading.Thread(target=term.child.send, args=(f"\x1b[200~{text}\x1b[201~",))
        feeder.start()
        term.until("Ln 35001", seconds=20)
        feeder.join()
        term.send(SAVE)
        term.until("Saved")
        assert path.read_text() == text


def test_keys_that_arrive_together_are_taken_in_order(tmp_path: Path) -> None:
    path = tmp_path / "fast.py"
    path.write_text("")
    with terminal(str(path)) as term:
        term.until("Type or paste")
        term.send("abc = 1\r" + SAVE)
        term.until("Saved")
        assert path.read_text() == "abc = 1\n"
        term.send("d = 2" + QUIT)
        term.until("unsaved changes")


def test_a_model_can_be_named_without_a_command(tmp_path: Path) -> None:
    with terminal("--model", "no-such-model") as term:
        term.until("no-such-model")
        term.until("There is no model named")
    path = tmp_path / "hello.py"
    path.write_text("hello = 1\n")
    with terminal("-m", "no-such-model", str(path)) as term:
        term.until("hello = 1")
        term.until("There is no model named")
    with terminal("--model", "no-such-model", "complete", f"{path}:1:3") as term:
        term.until("There is no model named")
        assert term.ended() != 0
    with terminal("--model", "no-such-model", "inspect", "x.gguf") as term:
        term.until("takes no --model")
        assert term.ended() == 2
