"""Text out of the app: the system's clipboard, the terminal's, or a file; and which of them it was."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.paths import state_dir

_OSC52_LIMIT_BYTES = 74_994
"""xterm takes no longer sequence than 100,000 characters, and base64 adds a third."""

_TMUX_S = 2.0
"""Chosen: a tmux that takes longer hangs, and the app would with it."""


def copy(text: str, write_terminal: Callable[[str], None] | None = None) -> str:
    """Copy `text`; returns where it went, as words that follow "Copied to". Raises LocalcoderError if nothing worked.

    `write_terminal` sends an escape sequence to the terminal. Whether the terminal obeys cannot be known, so over ssh,
    where only it reaches the user's own clipboard, it comes first, and elsewhere second.
    """
    over_ssh = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
    ways = [_to_tmux, _to_terminal, _to_system] if over_ssh else [_to_system, _to_tmux, _to_terminal]
    for way in ways:
        if where := way(text, write_terminal):
            if way is _to_system:
                return where
            # Nobody knows whether the terminal took it.
            return f"{where}, and to {_to_file(text)}"
    return _to_file(text)


def paste() -> str | None:
    """The system clipboard's text; None when there is none, or no program that reads it."""
    import pyperclip

    try:
        return pyperclip.paste() or None
    except (pyperclip.PyperclipException, OSError, UnicodeError):
        return None


def osc52(text: str) -> str:
    """The escape sequence that asks a terminal to put `text` on its clipboard, wrapped for tmux and screen.

    tmux passes on what is wrapped where `allow-passthrough` is on, and takes it as it is where `set-clipboard` is on.
    """
    sequence = f"\x1b]52;c;{base64.b64encode(text.encode('utf-8', 'replace')).decode()}\x07"
    if os.environ.get("TMUX"):
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\" + sequence
    if os.environ.get("TERM", "").startswith("screen"):
        return "\x1bP" + sequence + "\x1b\\"
    return sequence


def _to_system(text: str, _write: Callable[[str], None] | None) -> str | None:
    import pyperclip

    try:
        pyperclip.copy(text)
    except (pyperclip.PyperclipException, OSError, UnicodeError):
        return None
    return "the system clipboard"


def _to_tmux(text: str, write: Callable[[str], None] | None) -> str | None:
    """tmux's own buffer, and from there the terminal's clipboard, whatever tmux does with escape sequences."""
    if not os.environ.get("TMUX"):
        return None
    command = ["tmux", "load-buffer", "-w", "-"]
    try:
        subprocess.run(command, input=text.encode("utf-8", "replace"), capture_output=True, timeout=_TMUX_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    to_terminal = _to_terminal(text, write)
    return "tmux's buffer" + (f" and {to_terminal}" if to_terminal else "")


def _to_terminal(text: str, write: Callable[[str], None] | None) -> str | None:
    if write is None or len(text.encode("utf-8", "replace")) > _OSC52_LIMIT_BYTES:
        return None
    write(osc52(text))
    return "the terminal's clipboard (OSC 52)"


def _to_file(text: str) -> str:
    path = Path(state_dir()) / "copied.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise LocalcoderError(f"Nothing could be copied: {error.strerror}.", "Select it with the mouse.") from None
    return str(path)
