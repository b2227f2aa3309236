"""Completions for an editor: asked for by a key or after a pause, one at a time, ended by each edit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from textual.dom import DOMNode
from textual.timer import Timer
from textual.worker import Worker

from localcoder.completion.complete import Completion, Options, TextDelta, complete
from localcoder.engine.api import Progress
from localcoder.errors import LocalcoderError
from localcoder.tui.engines import EngineHost
from localcoder.tui.pacing import Pause
from localcoder.tui.status import Status
from localcoder.tui.widgets.editor import Editor

_WORKERS = "completion"


class Completing:
    """Connects one screen's editors with the engine.

    `show_status` is told what happens; `show_error` gets what a user should read; `model_loaded` is called when the
    engine has its model.
    """

    def __init__(
        self,
        owner: DOMNode,
        engines: EngineHost,
        *,
        show_status: Callable[[Status], None],
        show_error: Callable[[LocalcoderError], None],
        model_loaded: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._engines = engines
        self._show_status = show_status
        self._show_error = show_error
        self._model_loaded = model_loaded
        self._pause = Pause()
        self._timer: Timer | None = None
        self._worker: Worker[None] | None = None
        self.is_automatic = True
        self.options = Options()
        self.last: Completion | None = None
        """The newest finished completion."""

    def ask(self, editor: Editor) -> None:
        """Complete at the cursor, now. Ends what runs."""
        self.stop()
        editor.clear_ghost()
        self._worker = self._owner.run_worker(self._run(editor), group=_WORKERS, exclusive=True, exit_on_error=False)

    def edited(self, editor: Editor, *, followed_ghost: bool) -> None:
        """The text changed: end what runs, unless the change is what it suggests, and wait for a pause."""
        if followed_ghost and (editor.ghost is not None or self.is_running):
            return
        self.stop()
        if self.is_automatic:
            self._timer = self._owner.set_timer(self._pause.seconds, lambda: self._pause_ended(editor))

    def stop(self) -> None:
        """End what runs and what waits."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.is_running:
            self._show_status(Status())
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    @property
    def is_running(self) -> bool:
        return self._worker is not None and not self._worker.is_finished

    def _pause_ended(self, editor: Editor) -> None:
        self._timer = None
        if editor.has_focus and editor.selection.is_empty and editor.document.line_count + len(editor.document[0]) > 1:
            self.ask(editor)

    async def _run(self, editor: Editor) -> None:
        status = Status("reading" if self._engines.info else "loading")
        self._show_status(status)
        try:
            engine = await self._engines.engine()
            self._model_loaded()
            updates = complete(editor.snapshot(), engine, self.options)
            async with aclosing(updates):  # type: ignore[type-var]
                async for update in updates:
                    match update:
                        case Progress():
                            self._show_status(Status("reading", update))
                        case TextDelta(text) if editor.ghost is None:
                            editor.show_ghost(text, is_growing=True)
                            self._show_status(Status("writing"))
                        case TextDelta(text):
                            editor.grow_ghost(text)
                        case Completion():
                            self._finished(editor, update)
        except LocalcoderError as error:
            editor.finish_ghost()
            self._show_status(Status("failed", reason=error.what))
            self._show_error(error)

    def _finished(self, editor: Editor, completion: Completion) -> None:
        self._pause.measured(completion.stats.first_token_s)
        if completion.text.strip():
            self.last = completion
            editor.finish_ghost()
            self._show_status(Status("done", stats=completion.stats))
        else:
            editor.put_ghost(None)
            self._show_status(Status("done", stats=completion.stats, reason="nothing to add here"))
