"""The whole program as a user starts it, in a pseudo-terminal."""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import time
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
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF\0\0")
    with terminal(str(path), columns=200) as term:
        term.until("is a binary file")
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


def shell(command: str) -> str:
    """A program that runs a shell's command line with localcoder as `$0`."""
    line = command.replace("localcoder", f"{shlex.quote(sys.executable)} -m localcoder")
    return f"import os; os.execvp('sh', ['sh', '-c', {line!r}])"


def test_keys_come_from_the_terminal_whatever_the_standard_input_is(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("one")
    with terminal(program=shell(f"localcoder {path} < /dev/null")) as term:
        term.until("Ln 1, Col 1")
        term.send("x" + SAVE)
        term.until("Saved")
        term.send(QUIT)
        assert term.ended() == 0
        assert path.read_text() == "xone"


def test_what_is_piped_in_is_a_new_buffer(tmp_path: Path) -> None:
    with terminal(program=shell("printf 'first\\nsecond\\n' | localcoder")) as term:
        term.until("second")
        term.until("new buffer")
        term.send(QUIT)
        term.until("unsaved changes")


def test_without_a_terminal_the_app_says_so(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "localcoder"], input="x = 1", capture_output=True, text=True, start_new_session=True
    )
    assert result.returncode == 2
    assert "no terminal" in result.stderr


def test_a_terminal_that_cannot_move_its_cursor_is_told_what_to_do() -> None:
    with terminal(term="dumb", columns=200) as term:
        term.until("TERM is `dumb`")
        term.until("localcoder complete")
        assert term.ended() == 2
        assert "\x1b" not in term.text


def test_a_new_file_is_said_to_be_one_and_needs_a_place(tmp_path: Path) -> None:
    with terminal(str(tmp_path / "new.py")) as term:
        term.until("new.py is a new file")
    with terminal(str(tmp_path / "none" / "new.py"), columns=200) as term:
        term.until("There is no directory")
        assert term.ended() == 2


def test_a_latin_1_file_is_edited_as_that(tmp_path: Path) -> None:
    path = tmp_path / "old.c"
    path.write_bytes(b"// caf\xe9\n")
    with terminal(str(path), columns=120) as term:
        term.until("read as Latin-1")
        term.until("caf\u00e9")
        term.send("\u00fc" + SAVE)
        term.until("Saved")
        assert path.read_bytes() == b"\xfc// caf\xe9\n"
        term.send("\u2192" + SAVE)
        term.until("Latin-1 has no")
        term.send("\t\r")
        term.until("Ln 1, Col 3")
        deadline = time.monotonic() + 10
        while path.read_bytes() != "\u00fc\u2192// caf\u00e9\n".encode():
            assert time.monotonic() < deadline
            term.pump(0.05)
