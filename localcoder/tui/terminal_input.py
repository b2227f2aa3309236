"""What the terminal sends: pasted text as it is, Alt with a key as that, and everything else as Textual reads it."""

from __future__ import annotations

import codecs
import os
import re
import selectors
from collections.abc import Iterable

from textual import constants, events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._parser import ParseError
from textual._time import get_time
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

_READ_BYTES = 1 << 16
"""Chosen: a paste of a megabyte takes 16 rounds, not 256 as with Textual's 4 KiB (`tests/benchmarks/paste.py`)."""


_ALT = re.compile(r"\x1b([^\x1b\[O])|\x1b([\[O])(?=\x1b)")
"""Escape and a character, as Alt with a key arrives. `[` and `O` begin longer sequences, but not before an Escape."""
_BEGUN = re.compile(r"\x1b[\[O]?\Z")
"""What may become such a sequence, or a longer one, or is all that comes."""
_JOINED = re.compile(r"([^\x00-\x1f\x7f-\x9f]*[\u200c\u200d][^\x00-\x1f\x7f-\x9f]*)")
"""Text with the characters in it that join what stands around them: an input method or a picture chooser sends it."""
_ALT_ESCAPES = (1036, 1039)
"""Modes of xterm in which Alt with a key is Escape and the key. Without them Alt+M is the letter í."""


class InputParser(XTermParser):
    """Takes whatever stands between the marks of a paste as text, and Escape with a character behind it as Alt.

    Textual goes through a paste character by character, and takes an escape sequence inside it for keys: pasting a
    log could close the app. It waits a moment for what may follow Alt with a key, and what comes meanwhile makes text
    of both; and it gives Alt with a key the key's character, which is then typed where no command has the key.
    """

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasted: list[str] | None = None
        self._tail = ""
        self._begun = ""
        self._begun_until = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        if not data:
            yield from self._keys_begun()
            yield from super().feed(data)
            return
        while data:
            if self._pasted is not None:
                event, data = self._take_paste(data)
                if event is not None:
                    yield event
                continue
            # The mark may have begun in what was read before, and the parser of keys has seen that part.
            start = (self._tail + data).find(BRACKETED_PASTE_START) - len(self._tail)
            if start + len(self._tail) < 0:
                self._tail = (self._tail + data)[-len(BRACKETED_PASTE_START) + 1 :]
                yield from self._feed_keys(data)
                return
            end = start + len(BRACKETED_PASTE_START)
            if start >= 0:
                yield from self._feed_keys(data[:start])
                yield from self._keys_begun()
            else:
                yield from self._feed_keys(data[:end] + BRACKETED_PASTE_END)
            data = data[end:]
            self._tail = ""
            self._pasted = []

    def tick(self) -> Iterable[Message]:
        if self._begun and get_time() >= self._begun_until:
            yield from self._keys_begun()
        yield from super().tick()

    def _feed_keys(self, data: str) -> Iterable[Message]:
        if not data:
            return
        data, self._begun = self._begun + data, ""
        if begun := _BEGUN.search(data):
            data, self._begun = data[: begun.start()], begun[0]
            self._begun_until = get_time() + constants.ESCAPE_DELAY
        position = 0
        for match in _ALT.finditer(data + self._begun):
            if match[0] in ANSI_SEQUENCES_KEYS:
                continue
            yield from self._feed_plain(data[position : match.start()])
            yield from self._with_alt(match[1] or match[2])
            position = match.end()
        yield from self._feed_plain(data[position:])

    def _feed_plain(self, plain: str) -> Iterable[Message]:
        """What is before Alt with a key, or before what may become that: an Escape at its end is one by itself.

        Composed text comes as a whole: as a key, what only joins other characters is not printable, and got lost.
        """
        keys = plain.removesuffix("\x1b")
        text, escape, sequences = keys.partition("\x1b")
        for part in _JOINED.split(text):
            if _JOINED.fullmatch(part):
                yield events.Paste(part)
            elif part:
                yield from super().feed(part)
        if escape:
            yield from super().feed(escape + sequences)
        if keys != plain:
            yield events.Key("escape", "\x1b")

    def _keys_begun(self) -> Iterable[Message]:
        """What began like a sequence, now that nothing follows."""
        begun, self._begun = self._begun, ""
        if begun == "\x1b":
            yield events.Key("escape", begun)
        elif begun:
            yield from self._with_alt(begun[1])

    def _with_alt(self, character: str) -> Iterable[Message]:
        for event in self._sequence_to_key_events(character):
            name = f"shift+{event.key.lower()}" if len(event.key) == 1 and event.key.isupper() else event.key
            yield events.Key(f"alt+{name}", None)

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
    """Textual's driver with InputParser, and with input that need not be UTF-8."""

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write("".join(f"\x1b[?{mode}s\x1b[?{mode}h" for mode in _ALT_ESCAPES))

    def stop_application_mode(self) -> None:
        self.write("".join(f"\x1b[?{mode}r" for mode in _ALT_ESCAPES))
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        parser = InputParser(self._debug)
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
