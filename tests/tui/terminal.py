"""The app in a real pseudo-terminal, and what a terminal would show of it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

_ROOT = Path(__file__).resolve().parent.parent.parent


class Terminal:
    """A child process and the screen that its output draws."""

    def __init__(
        self,
        arguments: list[str],
        columns: int = 80,
        rows: int = 24,
        *,
        term: str = "xterm-256color",
        program: str | None = None,
        wrapper: tuple[str, ...] = (),
        command: tuple[str, ...] = (),
    ) -> None:
        """`wrapper`: a command that runs the child, as `unshare` does. `command`: another child than localcoder."""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.frames = 0
        environment = os.environ | {"TERM": term, "PYTHONPATH": str(_ROOT)}
        if "NO_COLOR" not in environment:
            environment["COLORTERM"] = "truecolor"
        python = (sys.executable, *(["-c", program] if program else ["-m", "localcoder", *arguments]))
        spawned = [*wrapper, *(command or python)]
        self.child = pexpect.spawn(
            spawned[0],
            spawned[1:],
            env=environment,
            dimensions=(rows, columns),
            timeout=None,
        )

    def pump(self, seconds: float) -> None:
        """Read what the child writes for some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                data = self.child.read_nonblocking(65536, timeout=left)
            except pexpect.TIMEOUT:
                return
            except pexpect.EOF:
                return
            self.frames += 1
            # pyte does not know the kitty keyboard protocol, nor xterm's saving of modes and modifiers.
            self._stream.feed(re.sub(rb"\x1b\[([<>]\d*u|[>?][\d;]*m|\?\d+[rs])", b"", data))

    def until(self, text: str, seconds: float = 15.0) -> float:
        """Wait for text on the screen; returns how long that took."""
        start = time.monotonic()
        while text not in self.text:
            took = time.monotonic() - start
            assert took < seconds and self.child.isalive(), f"no {text!r} after {took:.1f} s:\n{self.text}"
            self.pump(0.02)
        return time.monotonic() - start

    def ended(self, seconds: float = 10.0) -> int:
        """Wait for the child to end, reading what it still writes; returns its exit status."""
        start = time.monotonic()
        while self.child.isalive():
            assert time.monotonic() - start < seconds, f"it goes on:\n{self.text}"
            self.pump(0.05)
        return int(self.child.exitstatus if self.child.exitstatus is not None else -1)

    def send(self, keys: str) -> None:
        self.child.send(keys)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)


@contextmanager
def terminal(
    *arguments: str,
    columns: int = 80,
    rows: int = 24,
    term: str = "xterm-256color",
    program: str | None = None,
) -> Iterator[Terminal]:
    """A terminal whose child is ended afterwards: localcoder with these arguments, or a Python program."""
    made = Terminal(list(arguments), columns, rows, term=term, program=program)
    try:
        yield made
    finally:
        made.child.close(force=True)
