"""What becomes of suggestions, noted in the log where the settings want it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from textual.dom import DOMNode
from textual.timer import Timer

from localcoder.completion.complete import Completion, TextDelta
from localcoder.completion.confidence import confidence, first_line
from localcoder.completion.document import Document
from localcoder.engine.api import ModelInfo
from localcoder.evaluate.acceptance.log import LogWriter
from localcoder.evaluate.acceptance.record import Record, Suggestion, Taken, make_record
from localcoder.evaluate.acceptance.standing import Place
from localcoder.evaluate.acceptance.watch import Watch
from localcoder.tui.live_settings import LiveSettings
from localcoder.tui.widgets.editor import Editor

_SOON_S = 0.01


class Noting:
    """One app's. `warn` is called once, with why the log cannot be written; `owner` has the timers."""

    def __init__(self, owner: DOMNode, settings: LiveSettings, *, warn: Callable[[str], None]) -> None:
        self._owner = owner
        self._settings = settings
        self._warn = warn
        self._writer: LogWriter | None = None
        self._open: set[Shown] = set()
        self._watch: Watch[Editor] = Watch(self._write, is_window=False)
        self._timer: Timer | None = None

    def begin(self, editor: Editor, model: ModelInfo | None, asked_at: float) -> Shown | None:
        """A suggestion is about to be shown that was asked for at this time of `time.monotonic`. None: nobody notes."""
        if not self._settings.now.log_acceptance or model is None:
            return None
        suggestion = Suggestion("app", model.name, model.type_name, editor.known_language.name, "")
        shown = Shown(self, editor, suggestion, asked_at)
        self._open.add(shown)
        return shown

    def hidden(self, editor: Editor, model: ModelInfo | None, completion: Completion) -> None:
        """A suggestion was not shown, as its first line was not sure enough: no more of it was made."""
        if not self._settings.now.log_acceptance or model is None:
            return
        text = first_line("".join(token.text for token in completion.tokens))
        suggestion = Suggestion(
            "app",
            model.name,
            model.type_name,
            editor.known_language.name,
            text.replace("\r\n", "\n"),
            first_line_confidence=confidence(completion.tokens, text),
        )
        self._write(make_record(suggestion, time.time(), "hidden", keep_text=self._settings.now.keep_text))

    def ended(self, shown: Shown, taken: Taken) -> None:
        """It is shown no more."""
        self._open.discard(shown)
        if not shown.suggestion.text.strip():
            return
        keep_text = self._settings.now.keep_text
        record = make_record(shown.suggestion, shown.at, taken, shown.taken_text, keep_text=keep_text)
        if shown.place is None:
            self._write(record)
        else:
            self._watch.begin(record, shown.place, shown.editor, time.monotonic())
            self._look_later()

    def close(self) -> None:
        """The app ends: what is shown now is not taken any more, and what was taken is not looked at again."""
        for shown in tuple(self._open):
            shown.ended()
        if self._timer is not None:
            self._timer.stop()
        self._watch.close()
        if self._writer is not None:
            self._writer.close()

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        look_s = self._watch.next_look_s
        if look_s is not None:
            self._timer = self._owner.set_timer(max(_SOON_S, look_s - time.monotonic()), self._look)

    def _look(self) -> None:
        self._timer = None
        self._watch.look(_text_of, time.monotonic())
        self._look_later()

    def _write(self, record: Record) -> None:
        if self._writer is None:
            self._writer = LogWriter()
        self._writer.write(record)
        if complaint := self._writer.complaint():
            self._warn(complaint)


def _text_of(editor: Editor) -> Document | None:
    """None of a buffer that was closed."""
    return editor.snapshot() if editor.is_attached else None


class Shown:
    """One suggestion while it is shown: the ghost's `Fate`."""

    def __init__(self, noting: Noting, editor: Editor, suggestion: Suggestion, asked_at: float) -> None:
        self._noting = noting
        self._asked_at = asked_at
        self.editor = editor
        self.suggestion = suggestion
        self.at = time.time()
        self.taken_text = ""
        self.place: Place | None = None
        """Where what was taken stands; None while there is nothing."""

    def grew(self, delta: TextDelta) -> None:
        """There is more of it."""
        text = self.suggestion.text + delta.text.replace("\r\n", "\n")
        first_s = self.suggestion.first_text_s
        self.suggestion = replace(
            self.suggestion,
            text=text,
            first_text_s=time.monotonic() - self._asked_at if first_s is None else first_s,
            first_line_confidence=delta.first_line_confidence,
        )

    def finished(self, completion: Completion) -> None:
        """There is all of it."""
        self.suggestion = replace(
            self.suggestion,
            whole_s=time.monotonic() - self._asked_at,
            first_line_confidence=completion.first_line_confidence,
            confidence=completion.confidence,
        )

    def shown_again(self, completion: Completion) -> None:
        """All of it is there at once: it was made before, for the same place."""
        text = completion.text.replace("\r\n", "\n")
        self.suggestion = replace(self.suggestion, text=text, first_text_s=0.0)
        self.finished(completion)

    def taken(self, text: str, at: int) -> None:
        document = self.editor.document
        before, put = document.text, document.normalised(text)
        # What was typed along between two parts that were taken belongs to them.
        start = at if self.place is None else self.place.start
        self.taken_text += text
        self.place = Place(before[:at] + put + before[at:], start, at + len(put))

    def ended(self) -> None:
        whole = len(self.taken_text) == len(self.suggestion.text)
        self._noting.ended(self, "all" if whole else "part" if self.taken_text else "none")
