"""Completions for an editor: asked for by a key or after a pause, one at a time, ended by each edit."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from textual.document._document import Location, Selection
from textual.dom import DOMNode
from textual.timer import Timer
from textual.worker import Worker

from localcoder.completion.complete import Completion, Options, TextDelta, complete, read_ahead
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.api import Engine, ReadProgress, Sampling
from localcoder.errors import LocalcoderError
from localcoder.power import PowerWatch
from localcoder.tui.controllers.checking import Checking, finding_spans, notice
from localcoder.tui.controllers.noting import Noting
from localcoder.tui.engines import EngineHost
from localcoder.tui.notices import show_error
from localcoder.tui.pacing import Pause
from localcoder.tui.status import Status
from localcoder.tui.text.prompt_view import doubt_spans
from localcoder.tui.widgets.editor import Editor

if TYPE_CHECKING:
    # What it imports is not wanted before the first frame.
    from localcoder.completion.context.gathering import Gathering
    from localcoder.completion.context.signatures import Piece

_WORKERS = "completion"
_GATHERING = "context"
_READING = "reading ahead"
_ALTERNATIVE_TEMPERATURE = 0.7
"""Chosen: high enough that a second suggestion mostly differs, low enough that it is still code."""
_WARMER = 0.2
"""Added with each try that gave what was known already. Chosen."""
_ALTERNATIVE_TOP_P = 0.95
"""The unlikeliest tokens stay out. Chosen: the value that code models are commonly sampled with."""
_TRIES = 3
"""Chosen: each costs a whole completion."""


class Completing:
    """Connects one screen's editors with the engine.

    `show_status` is told what happens; `model_loaded` is called when the engine has its model, `completed` with each
    completion that ran to its end.
    """

    def __init__(
        self,
        owner: DOMNode,
        engines: EngineHost,
        options: Options,
        *,
        make_gathering: Callable[[], Gathering],
        power: PowerWatch,
        noting: Noting,
        show_status: Callable[[Status], None],
        model_loaded: Callable[[], None],
        completed: Callable[[Completion], None],
    ) -> None:
        self._owner = owner
        self._engines = engines
        self._make_gathering = make_gathering
        self._gathering: Gathering | None = None
        self._noting = noting
        self._show_status = show_status
        self._status = Status()
        self._model_loaded = model_loaded
        self._completed = completed
        self._pause = Pause(power)
        self.checking = Checking(owner)
        self._timer: Timer | None = None
        self._worker: Worker[None] | None = None
        self._found: list[Completion] = []
        self._shown = 0
        self._place: tuple[Editor, Document] | None = None
        self._sessions: WeakKeyDictionary[Editor, PromptSession] = WeakKeyDictionary()
        self.is_automatic = True
        self.least_confidence = 0.0
        """What comes by itself is shown from this confidence on; below it, what was asked for is shown as doubtful."""
        self.ask_keys = ""
        """What shows a suggestion that was held back."""
        self.is_shaded = False
        """Whether suggestions show what the model is unsure of."""
        self.options = options
        self.last: Completion | None = None
        """The newest finished completion."""
        self.last_document: Document | None = None
        """What it completed."""

    def ask(self, editor: Editor) -> None:
        """Complete at the cursor, now. Ends what runs."""
        self._ask(editor, 0.0)

    def _ask(self, editor: Editor, least_confidence: float) -> None:
        self.stop()
        # Not `clear_ghost`: word of a ghost that is gone ends what runs, and would end this.
        editor.put_ghost(None)
        self._found = []
        self._place = (editor, editor.snapshot())
        options = replace(self.options, least_confidence=least_confidence)
        self._start(self._complete(editor, self._place[1], options))

    def alternative(self, editor: Editor, step: int) -> None:
        """Show the next (1) or the previous (-1) suggestion for this place; after the last one, ask for another."""
        if self.is_running or not self._is_at_place(editor):
            if not self.is_running:
                self.ask(editor)
            return
        wanted = self._shown + step
        if wanted < len(self._found):
            self._show(editor, wanted % len(self._found))
        else:
            editor.put_ghost(None)
            self._start(self._another(editor))

    def edited(self, event: Editor.Edited) -> None:
        """The text changed: end what runs, unless the change is what it suggests, and wait for a pause.

        Who takes a change back looks at what was there: nothing is suggested into that.
        """
        editor = event.editor
        if event.followed_ghost and (editor.ghost is not None or self.is_running):
            return
        self.stop()
        if self.is_automatic and not event.is_undo:
            typed_at = editor.cursor_location
            self._timer = self._owner.set_timer(self._pause.seconds, lambda: self._pause_ended(editor, typed_at))

    def moved(self, editor: Editor) -> None:
        """The cursor moved: what is still being read for the place where it was is not needed here."""
        if self.is_running and editor.ghost is None and not self._is_at_cursor(editor):
            self.stop()

    def read_ahead(self, editor: Editor) -> None:
        """Load the model, and read what stands around the cursor, before anyone asks."""
        self._owner.run_worker(self._warm(editor), group=_READING, exclusive=True, exit_on_error=False)

    def context(self, document: Document) -> tuple[Piece, ...]:
        """What of other files the prompts of this document's file begin with."""
        return self._gathering.pieces(document) if self._gathering is not None else ()

    def context_changed(self) -> None:
        """The setting did: what was gathered is forgotten."""
        self._gathering = None

    def stop(self) -> None:
        """End what runs and what waits."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.is_running:
            self._tell(Status())
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    @property
    def is_running(self) -> bool:
        return self._worker is not None and not self._worker.is_finished

    def _start(self, work: Coroutine[None, None, object]) -> None:
        self._worker = self._owner.run_worker(self._guarded(work), group=_WORKERS, exclusive=True, exit_on_error=False)

    def _pause_ended(self, editor: Editor, typed_at: Location) -> None:
        self._timer = None
        is_where_typed = editor.selection == Selection.cursor(typed_at)
        if editor.has_focus and is_where_typed and not editor.is_inside_word and not editor.is_blank:
            self._ask(editor, self.least_confidence)

    def _is_at_cursor(self, editor: Editor) -> bool:
        if self._place is None:
            return False
        owner, document = self._place
        return owner is editor and editor.document.index_of(editor.cursor_location) == document.cursor

    def _is_at_place(self, editor: Editor) -> bool:
        if self._place is None or not self._found:
            return False
        owner, document = self._place
        return owner is editor and editor.snapshot() == document

    def _session(self, editor: Editor) -> PromptSession:
        """What the prompts of this editor's buffer have in common."""
        return self._sessions.setdefault(editor, PromptSession())

    async def _guarded(self, work: Coroutine[None, None, object]) -> None:
        try:
            await work
        except LocalcoderError as error:
            self._failed(error)

    def _failed(self, error: LocalcoderError) -> None:
        self._tell(Status("failed", reason=error.what))
        show_error(self._owner, error)

    def _tell(self, status: Status) -> None:
        self._status = status
        self._show_status(status)

    async def _warm(self, editor: Editor) -> None:
        try:
            if self._engines.info is None and not self.is_running:
                self._tell(Status("loading"))
            engine = await self._engines.engine()
            self._model_loaded()
            if self._status.phase == "loading":
                self._tell(Status())
            await self._read(editor, engine)
            if await self._gather(editor):
                await self._read(editor, engine)
        except LocalcoderError as error:
            self._failed(error)

    async def _read(self, editor: Editor, engine: Engine) -> None:
        await read_ahead(self._with_context(editor.snapshot()), engine, self.options, self._session(editor))

    async def _gather(self, editor: Editor) -> bool:
        """Find what this file needs from others; whether that is something else than before."""
        if self._gathering is None:
            self._gathering = self._make_gathering()
        return await self._gathering.gather(editor.snapshot())

    def _with_context(self, document: Document) -> Document:
        return self._gathering.put(document) if self._gathering is not None else document

    async def _complete(self, editor: Editor, document: Document, options: Options) -> Completion | None:
        asked_at = time.monotonic()
        self._tell(Status("reading" if self._engines.info else "loading"))
        engine = await self._engines.engine()
        self._model_loaded()
        self._tell(Status("reading"))
        document = self._with_context(document)
        updates = complete(document, engine, replace(options, logprobs=True), self._session(editor))
        done, shown, is_shown = None, None, False
        try:
            async with aclosing(updates):
                async for update in updates:
                    match update:
                        case ReadProgress():
                            self._tell(Status("reading", update))
                        case TextDelta(text):
                            if is_shown and editor.ghost is None:
                                continue  # It was dismissed; whoever did that is about to end this.
                            if not is_shown:
                                is_shown = True
                                shown = self._noting.begin(editor, self._engines.info, asked_at)
                                unsure = self._is_unsure(update.first_line_confidence)
                                editor.show_ghost(text, is_growing=True, fate=shown, is_unsure=unsure)
                                self._tell(Status("writing"))
                            else:
                                editor.grow_ghost(text)
                            if shown is not None:
                                shown.grew(update)
                        case Completion():
                            done = update
                            if shown is not None:
                                shown.finished(done)
                            elif done.reason == "unsure":
                                self._noting.hidden(editor, self._engines.info, done)
        finally:
            editor.finish_ghost()
        if done is not None:
            self._finished(editor, document, done)
        return done

    def _is_unsure(self, first_line_confidence: float | None) -> bool:
        return first_line_confidence is not None and first_line_confidence < self.least_confidence

    async def _another(self, editor: Editor) -> None:
        """One more suggestion, drawn at random until it differs from those that there are."""
        assert self._place is not None
        document = self._place[1]
        known = {completion.text for completion in self._found}
        for attempt in range(_TRIES):
            sampling = Sampling(
                temperature=max(self.options.sampling.temperature, _ALTERNATIVE_TEMPERATURE + _WARMER * attempt),
                top_p=_ALTERNATIVE_TOP_P,
                seed=len(self._found) + attempt * 1000,
            )
            made = await self._complete(editor, document, replace(self.options, sampling=sampling))
            if made is None or made.text.strip() == "" or made.text not in known:
                return
            self._found.pop()
            editor.put_ghost(None)
        self._show(editor, 0)

    def _finished(self, editor: Editor, document: Document, completion: Completion) -> None:
        self._pause.measured(completion.stats.first_token_s)
        self._owner.run_worker(self._gather(editor), group=_GATHERING, exclusive=True, exit_on_error=False)
        self._completed(completion)
        if completion.text.strip():
            self.last, self.last_document = completion, document
            self._found.append(completion)
            self._shown = len(self._found) - 1
            self._mark(editor, completion)
            self._show_done()
            self.checking.begin(document, completion, lambda checked: self._checked(editor, completion, checked))
        else:
            editor.put_ghost(None)
            is_hidden = completion.reason == "unsure"
            reason = f"unsure: {self.ask_keys} shows it" if is_hidden else "nothing to add here"
            self._tell(Status("done", stats=completion.stats, reason=reason))

    def _checked(self, editor: Editor, completion: Completion, checked: Completion) -> None:
        """There is something to be distrusted in a completion that is shown, or was a moment ago."""
        if self.last is completion:
            self.last = checked
        for index, each in enumerate(self._found):
            if each is completion:
                self._found[index] = checked
                if index == self._shown and not self.is_running:
                    self._shade(editor, checked)
                    self._show_done()

    def _show(self, editor: Editor, index: int) -> None:
        self._shown = index
        shown = self._noting.begin(editor, self._engines.info, time.monotonic())
        if shown is not None:
            shown.shown_again(self._found[index])
        editor.show_ghost(self._found[index].text, fate=shown)
        self._mark(editor, self._found[index])
        self._show_done()

    def _mark(self, editor: Editor, completion: Completion) -> None:
        """Show what the model is unsure of, now that all of it is there."""
        is_unsure = self._is_unsure(completion.first_line_confidence)
        if editor.ghost is not None and editor.ghost.is_unsure != is_unsure:
            editor.put_ghost(replace(editor.ghost, is_unsure=is_unsure))
        self._shade(editor, completion)

    def _shade(self, editor: Editor, completion: Completion) -> None:
        # What was typed along already moved the ghost; then it is no longer the completion's text.
        if editor.ghost is None or editor.ghost.text != completion.text:
            return
        doubts = doubt_spans(completion) if self.is_shaded else ()
        spans = (*((start, end, f"ghost--{step}") for start, end, step in doubts), *finding_spans(completion))
        if spans:
            editor.put_ghost(replace(editor.ghost, spans=spans))

    def _show_done(self) -> None:
        shown = self._found[self._shown]
        count = f"{self._shown + 1} of {len(self._found)}" if len(self._found) > 1 else ""
        self._tell(Status("done", stats=shown.stats, reason=count, notice=notice(shown.findings)))
