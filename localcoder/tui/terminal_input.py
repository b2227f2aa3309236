"""What the terminal sends: pasted text as it is, and everything else as Textual reads it."""

from __future__ import annotations

import codecs
import os
import selectors
from collections.abc import Iterable

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

_READ_BYTES = 1 << 16
"""Chosen: a paste of a megabyte takes 16 rounds, not 256 as with Textual's 4 KiB (`tests/benchmarks/paste.py`)."""


class PasteParser(XTermParser):
    """Takes whatever stands between the marks of a paste as text.

    Textual goes through a paste character by character, and takes an escape sequence inside it for keys: pasting a
    log could close the app.
    """

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasted: list[str] | None = None
        self._tail = ""

    def feed(self, data: str) -> Iterable[Message]:
        if not data:
            yield from super().feed(data)
            return
        while data:
            if self._pasted is not None:
                event, data = self._take_paste(data)
                if event is not None:
                    yield event
                continue
            # The mark may have begun in what was read before, and Textual's parser has seen that part.
            start = (self._tail + data).find(BRACKETED_PASTE_START) - len(self._tail)
            if start + len(self._tail) < 0:
                self._tail = (self._tail + data)[-len(BRACKETED_PASTE_START) + 1 :]
                yield from super().feed(data)
                return
            end = start + len(BRACKETED_PASTE_START)
            if start >= 0:
                if data[:start]:
                    yield from super().feed(data[:start])
            else:
                yield from super().feed(data[:end] + BRACKETED_PASTE_END)
            data = data[end:]
            self._tail = ""
            self._pasted = []

    def _take_paste(self, data: str) -> tuple[events.Paste | None, str]:
        """The paste, if it ends here, and what comes after it."""
        assert self._pasted is not None
        held = self._pasted.pop() if self._pasted else ""
        # The end mark may be cut in two by the end of what was read.
        data = held + data
        end = data.find(BRACKETED_PASTE_END)
        if end < 0:
            self._pasted.append(data[: -len(BRACKETED_PASTE_END)])
            self._pasted.append(data[-len(BRACKETED_PASTE_END) :])
            return None, ""
        text = "".join([*self._pasted, data[:end]])
        self._pasted = None
        return events.Paste(text.replace("\0", "")), data[end + len(BRACKETED_PASTE_END) :]


class TerminalDriver(LinuxDriver):
    """Textual's driver with PasteParser, and with input that need not be UTF-8."""

    def run_input_thread(self) -> None:
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        parser = PasteParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        try:
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    data = os.read(self.fileno, _READ_BYTES)
                    if not data:
                        break
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        finally:
            selector.close()
            try:
                for _ in parser.feed(""):
                    pass
            except (EOFError, ParseError):
                pass


def driver_for(default: type[Driver]) -> type[Driver]:
    """Ours in place of Textual's driver for terminals; any other driver stays."""
    return TerminalDriver if default is LinuxDriver else default
