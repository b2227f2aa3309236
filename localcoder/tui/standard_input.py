"""What was piped in is a text to edit; the keys come from the terminal all the same."""

from __future__ import annotations

import os
import sys

from localcoder.completion.document import document_from_bytes
from localcoder.errors import LocalcoderError


def piped_text() -> str:
    """All that is piped in; empty where nothing is. Raises LocalcoderError (exit code 2) for what is no text."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    return document_from_bytes(sys.stdin.buffer.read(), "What was piped in").text


def take_keys_from_terminal() -> None:
    """Make the terminal the standard input, which the app reads.

    Raises LocalcoderError (exit code 2) without one, and where the one that there is can only show line after line.
    """
    if os.environ.get("TERM") == "dumb":
        what = "This terminal cannot show the app: TERM is `dumb`."
        raise LocalcoderError(what, "Use another one; `localcoder complete` works here too.", exit_code=2)
    if os.name != "posix" or os.isatty(0):
        return
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        raise LocalcoderError(
            "There is no terminal for the app.", "`localcoder complete` needs none.", exit_code=2
        ) from None
    os.dup2(terminal, 0)
    os.close(terminal)
