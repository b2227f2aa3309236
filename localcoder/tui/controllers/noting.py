"""What becomes of suggestions, noted in the log where the settings want it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from localcoder.completion.complete import Completion, TextDelta
from localcoder.engine.api import ModelInfo
from localcoder.evaluate.acceptance.log import LogWriter
from localcoder.evaluate.acceptance.record import Suggestion, Taken, make_record
from localcoder.tui.live_settings import LiveSettings
from localcoder.tui.widgets.editor import Editor


class Noting:
    """One app's. `warn` is called once, with why the log cannot be written."""

    def __init__(self, settings: LiveSettings, *, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._warn = warn
        self._writer: LogWriter | None = None
        self._has_warned = False
        self._open: set[Shown] = set()

    def begin(self, editor: Editor, model: ModelInfo | None, asked_at: float) -> Shown | None:
        """A suggestion is about to be shown that was asked for at this time of `time.monotonic`. None: nobody notes."""
        if not self._settings.now.log_acceptance or model is None:
            return None
        suggestion = Suggestion("app", model.name, model.type_name, editor.known_language.name, "")
        shown = Shown(self, suggestion, asked_at)
        self._open.add(shown)
        return shown

    def ended(self, shown: Shown, taken: Taken) -> None:
        """It is shown no more."""
        self._open.discard(shown)
        if not shown.suggestion.text.strip():
            return
        if self._writer is None:
            self._writer = LogWriter()
        text, keep_text = shown.taken_text, self._settings.now.keep_text
        self._writer.write(make_record(shown.suggestion, shown.at, taken, text, keep_text=keep_text))
        if self._writer.trouble and not self._has_warned:
            self._has_warned = True
            self._warn(f"What is taken of suggestions cannot be noted: {self._writer.trouble}.")

    def close(self) -> None:
        """The app ends: what is shown now is not taken any more."""
        for shown in tuple(self._open):
            shown.ended()
        if self._writer is not None:
            self._writer.close()


class Shown:
    """One suggestion while it is shown: the ghost's `Fate`."""

    def __init__(self, noting: Noting, suggestion: Suggestion, asked_at: float) -> None:
        self._noting = noting
        self._asked_at = asked_at
        self.suggestion = suggestion
        self.at = time.time()
        self.taken_text = ""

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
        self.taken_text += text

    def ended(self) -> None:
        whole = len(self.taken_text) == len(self.suggestion.text)
        self._noting.ended(self, "all" if whole else "part" if self.taken_text else "none")
