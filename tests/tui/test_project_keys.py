"""The keys for lines, places and files, as real terminals send them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from localcoder.tui.commands import COMMANDS_BY_ID
from localcoder.tui.terminal_input import InputParser
from tests.tui.terminal import Terminal, terminal

LEGACY = {
    "edit.duplicate": "\x04", "edit.move_up": "\x1b[1;3A", "edit.move_down": "\x1b[1;3B", "edit.delete_line": "\x1bk",
    "go.bracket": "\x1d", "go.file": "\x10", "go.symbol": "\x14", "go.buffer": "\x0c", "go.definition": "\x1b.",
    "go.back": "\x1b'", "find.project": "\x1b/", "view.tree": "\x1bt", "app.palette": "\x1be",
    "file.difference": "\x1by", "file.difference_head": "\x1bv",
}  # fmt: skip
"""xterm, tmux, GNOME Terminal."""
KITTY = {
    "edit.duplicate": "\x1b[100;5u", "edit.delete_line": "\x1b[107;3u", "go.bracket": "\x1b[93;5u",
    "go.file": "\x1b[112;5u", "go.symbol": "\x1b[116;5u", "go.buffer": "\x1b[108;5u", "go.definition": "\x1b[46;3u",
    "go.back": "\x1b[39;3u", "find.project": "\x1b[47;3u", "view.tree": "\x1b[116;3u", "app.palette": "\x1b[101;3u",
    "file.difference": "\x1b[121;3u", "file.difference_head": "\x1b[118;3u",
}  # fmt: skip
CONSOLE = {"edit.move_up": "\x1bu", "edit.move_down": "\x1bj", "go.bracket": "\x1bi"}
"""Linux's console sends nothing for Alt with an arrow, and some keyboards have no key for `]`."""


@pytest.mark.parametrize("sent", [LEGACY, KITTY, CONSOLE], ids=["legacy", "kitty", "console"])
def test_what_terminals_send_is_a_key_of_the_command(sent: dict[str, str]) -> None:
    for command, sequence in sent.items():
        parser = InputParser()
        parsed = [*parser.feed(sequence), *parser.feed("")]
        keys = [event.key for event in parsed if isinstance(event, events.Key)]
        assert len(keys) == 1 and keys[0] in COMMANDS_BY_ID[command].keys.split(","), command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "main.py").write_text("import shelf\n\n\nprint(shelf.add_book([1]))\n")
    (root / "shelf.py").write_text("def add_book(book):\n    return book\n")
    return root


def saved(term: Terminal, path: Path, text: str) -> None:
    term.send("\x13")
    term.until("Saved", 30)
    waited = 0.0
    while path.read_text() != text:
        assert waited < 30, path.read_text()
        term.pump(0.1)
        waited += 0.1


def test_a_session_with_all_of_them(project: Path) -> None:
    key = LEGACY
    path = project / "main.py"
    with terminal(str(path), columns=110, rows=30) as term:
        term.until("Ln 1, Col 1", 30)
        term.send("\x1b[17~" + key["edit.duplicate"] + key["edit.move_down"] + key["edit.move_down"])
        saved(term, path, "import shelf\n\n\nimport shelf\nprint(shelf.add_book([1]))\n")
        term.send(key["edit.move_up"] + key["edit.delete_line"])
        term.until("Ln 3, Col 1", 30)
        term.send("\x1b[B" + key["go.bracket"])
        term.until("Ln 4, Col 26", 30)
        term.send("\x1b[H" + "\x1b[C" * 14 + key["go.definition"])
        term.until("def add_book(book):", 30)
        term.until("Ln 1, Col 5", 30)
        term.send(key["go.back"])
        term.until("Ln 4, Col 15", 30)
        term.send(key["go.file"] + "shel\r" + key["go.symbol"] + "book\rx")
        term.until("def xadd_book", 30)
        term.send(key["file.difference"])
        term.until("-def add_book", 30)
        term.send("\x1b" + key["file.difference_head"])
        term.until("HEAD has no shelf.py", 30)
        term.send(key["go.buffer"] + "\r")
        term.until("Ln 4, Col 15", 30)
        term.send(key["find.project"] + "xadd_b\r")
        term.until("Ln 1, Col 5", 30)
        term.send(key["app.palette"] + "duplicate\r")
        term.until("def xadd_book(book):", 30)
        term.until("Ln 2, Col 5", 30)
        term.send(key["view.tree"])
        term.until("Unfold", 30)
