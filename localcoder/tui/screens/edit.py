"""The main screen: an editor, and what the engine does for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import ContentSwitcher, Footer, TextArea
from textual.worker import Worker, WorkerState

from localcoder.completion.complete import Completion, Options
from localcoder.completion.ending import MODES
from localcoder.engine.api import Sampling
from localcoder.errors import LocalcoderError
from localcoder.models import measured_speed, store
from localcoder.models.fit import gigabytes
from localcoder.power import LOOK_S
from localcoder.settings import Settings
from localcoder.tui import clipboard
from localcoder.tui.buffer import Buffer, Conflict
from localcoder.tui.commands import COMMANDS_BY_ID, bindings, keys_of
from localcoder.tui.controllers.autosave import Autosave
from localcoder.tui.controllers.completing import Completing
from localcoder.tui.controllers.disk_watch import DiskWatch
from localcoder.tui.controllers.searching import Searching
from localcoder.tui.dialogs.ask import AskLine, PickOne
from localcoder.tui.files import TextFile
from localcoder.tui.screens.compare import CompareScreen
from localcoder.tui.screens.file_actions import FileActions
from localcoder.tui.screens.inspect import InspectScreen
from localcoder.tui.screens.models import ModelsScreen
from localcoder.tui.start import Opened
from localcoder.tui.status import Status
from localcoder.tui.widgets.disk_bar import DiskBar
from localcoder.tui.widgets.editor import Editor
from localcoder.tui.widgets.find_bar import FindBar
from localcoder.tui.widgets.status_line import StatusLine
from localcoder.tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from localcoder.tui.app import LocalcoderApp


class EditScreen(FileActions):
    """Edits some files, one in front."""

    # The first screen of an app is shown without its CSS_PATH being read.
    DEFAULT_CSS: ClassVar = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("screen"))
    app: LocalcoderApp

    def __init__(self, opened: Sequence[Opened], active: int = 0, *, ask_at_once: bool = False) -> None:
        super().__init__()
        self._ask_at_once = ask_at_once
        self._is_ready = False
        self._opened = opened
        self._active = active

    def compose(self) -> ComposeResult:
        buffers = [self._begin(opened) for opened in self._opened] or [self.make_buffer(TextFile(""), None)]
        front = buffers[min(self._active, len(buffers) - 1)]
        yield TitleBar()
        with ContentSwitcher(initial=front.editor.id):
            yield from (buffer.editor for buffer in buffers)
        yield FindBar()
        yield DiskBar(keys_of(COMMANDS_BY_ID["file.changed"], self.app.settings.keys))
        yield StatusLine()
        yield Footer(compact=True, show_command_palette=False)

    def _begin(self, opened: Opened) -> Buffer:
        buffer = self.make_buffer(opened.content, opened.path)
        if opened.unsaved is not None:
            buffer.editor.load(opened.unsaved)
        if opened.is_changed:
            buffer.conflict = Conflict(opened.content)
        buffer.editor.move_cursor(buffer.editor.clamp_visitable((opened.row, opened.column)))
        return buffer

    def on_mount(self) -> None:
        self._completing = Completing(
            self,
            self.app.engines,
            _options(self.app.settings),
            power=self.app.power,
            show_status=self._show_status,
            show_error=self.show_error,
            model_loaded=self._show_model,
            completed=self._completed,
        )
        self._completing.is_automatic = self.app.settings.automatic
        self._searching = Searching(self.query_one(FindBar))
        self.autosave = Autosave(
            self, buffers=self.buffers, front=lambda: self.buffer, model=lambda: self.app.engines.model
        )
        self.disk_watch = DiskWatch(
            self,
            self.query_one(DiskBar),
            buffers=self.buffers,
            front=lambda: self.buffer,
            changed=self._show_file,
            show_error=self.show_error,
            save=lambda buffer: self.save(buffer, buffer.path),
        )
        self._is_ready = True
        self._show_model()
        self._show_file()
        self._show_place()
        self.disk_watch.show()
        self.editor.focus()
        self.set_interval(LOOK_S, self._show_place)
        for buffer in self.buffers:
            self.warn_about(buffer)
        self.autosave.soon()
        begin = self._completing.ask if self._ask_at_once else self._completing.read_ahead
        self.call_after_refresh(begin, self.editor)

    @property
    def editor(self) -> Editor:
        """The one in front."""
        return self.buffer.editor

    @property
    def is_modified(self) -> bool:
        return self.buffer.is_modified

    def configure(self, buffer: Buffer) -> None:
        settings = self.app.settings
        editor = buffer.editor
        editor.soft_wrap = settings.soft_wrap
        editor.show_line_numbers = settings.line_numbers
        editor.closes_brackets = settings.close_brackets
        editor.indent_by(max(settings.indent_width, 1))
        editor.placeholder = "Type or paste code. After a pause, or on F5, the model suggests what comes next."

    def buffer_shown(self) -> None:
        self._completing.stop()
        self._searching.end(self.editor)
        self._show_file()
        self._show_place()
        self.disk_watch.show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # A key can come before everything is in its place.
        return self._is_ready and super().check_action(action, parameters)

    # --- What happens

    @on(Editor.Edited)
    def _edited(self, event: Editor.Edited) -> None:
        # Restoring an unsaved text is an edit too, and comes before everything is in its place.
        if not self._is_ready:
            return
        self._completing.edited(event.editor, followed_ghost=event.followed_ghost)
        self._show_file()
        self.autosave.soon()

    @on(Editor.Loaded)
    def _loaded(self, event: Editor.Loaded) -> None:
        if not self._is_ready:
            return
        if event.editor is self.editor:
            self._completing.stop()
            self._completing.read_ahead(event.editor)
            self._show_place()
        self._show_file()
        self.autosave.soon()

    @on(Editor.Asked)
    def _asked(self, event: Editor.Asked) -> None:
        self._completing.ask(event.editor)

    @on(Editor.Pasted)
    def _pasted(self, event: Editor.Pasted) -> None:
        self._completing.read_ahead(event.editor)

    @on(Editor.GhostGone)
    def _ghost_gone(self) -> None:
        self._completing.stop()

    @on(TextArea.SelectionChanged)
    def _moved(self) -> None:
        if self._is_ready:
            self._completing.moved(self.editor)
            self._show_place()

    @on(FindBar.Changed)
    def _look_for(self, event: FindBar.Changed) -> None:
        self._searching.look_for(self.editor, event.query)

    @on(FindBar.Step)
    def _find_step(self, event: FindBar.Step) -> None:
        self._searching.step(self.editor, event.by)

    @on(FindBar.Replace)
    def _replace(self, event: FindBar.Replace) -> None:
        try:
            count = self._searching.replace(self.editor, event.replacement, everywhere=event.everywhere)
        except LocalcoderError as error:
            self.show_error(error)
        else:
            if event.everywhere:
                self.notify(f"Replaced {count}. One undo takes them all back.", timeout=4)

    @on(FindBar.Closed)
    def _search_closed(self) -> None:
        self._searching.end(self.editor)
        self.editor.focus()

    @on(DiskBar.Answered)
    def _disk_answered(self, event: DiskBar.Answered) -> None:
        self.editor.focus()
        self.run_worker(self.disk_watch.answered(event.answer), group="file", exclusive=True, exit_on_error=False)

    @on(DiskBar.Left)
    def _disk_left(self) -> None:
        self.editor.focus()

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """An error of this program itself must not close it: the text would go with it."""
        if event.state == WorkerState.ERROR:
            error = event.worker.error
            what = f"The app made a mistake: {type(error).__name__}: {error}".splitlines()[0]
            self._show_status(Status("failed", reason=what))
            self.show_error(LocalcoderError(what, "Your text is safe. Try again; please report it if it recurs."))

    # --- Commands

    def action_find(self) -> None:
        self._searching.begin(self.editor, with_replace=False)

    def action_replace(self) -> None:
        self._searching.begin(self.editor, with_replace=True)

    def action_find_step(self, by: int) -> None:
        self._searching.step(self.editor, by)

    def action_answer_disk(self) -> None:
        self.query_one(DiskBar).answer_now()

    def action_toggle_wrap(self) -> None:
        self.editor.soft_wrap = not self.editor.soft_wrap

    @work(group="question", exclusive=True)
    async def action_go_to_line(self) -> None:
        answer = await self.app.push_screen_wait(AskLine("Go to line, or line:column"))
        row, _, column = (answer or "").partition(":")
        if row.strip().isdecimal():
            place = (int(row) - 1, int(column) - 1 if column.strip().isdecimal() else 0)
            self.editor.move_cursor(self.editor.clamp_visitable(place), center=True)

    def action_complete(self) -> None:
        self.editor.ask()

    def action_alternative(self, step: int) -> None:
        self._completing.alternative(self.editor, step)

    def action_cycle_mode(self) -> None:
        options = self._completing.options
        mode = MODES[(MODES.index(options.mode) + 1) % len(MODES)]
        self._completing.options = replace(options, mode=mode)
        self.notify(f"Suggestions are now: {_MODE_NAMES[mode]}.", timeout=3)
        self._show_place()

    def action_inspect(self) -> None:
        last, document = self._completing.last, self._completing.last_document
        if last is None or document is None:
            self.notify("There is no completion yet: ask for one with ^space or F5.", timeout=4)
        else:
            # What was read or not, it would now stand over what was asked for.
            self.app.clear_notifications()
            self.app.push_screen(InspectScreen(last, document))

    @work(group="compare", exclusive=True)
    async def action_compare(self) -> None:
        loaded = self.app.engines.info
        others = [model for model in store.installed() if loaded is None or Path(loaded.path) != model.path]
        if not others:
            self.notify("There is only one model here. F2 gets another: pull it, add a file, convert one.", timeout=6)
            return
        items = [(str(model.path), f"{model.name}  {gigabytes(model.size_bytes)}") for model in others]
        other = await self.app.push_screen_wait(PickOne("Compare with which model?", items))
        if other is not None:
            self._completing.stop()
            self.app.clear_notifications()
            self.app.push_screen(CompareScreen(self.editor.snapshot(), self._completing.options, other))

    def action_toggle_shading(self) -> None:
        self._completing.is_shaded = not self._completing.is_shaded
        self.notify(f"Unsure parts of suggestions are {'' if self._completing.is_shaded else 'not '}shaded.", timeout=3)

    def action_toggle_automatic(self) -> None:
        self._completing.is_automatic = not self._completing.is_automatic
        self._completing.stop()
        how = "come after a pause" if self._completing.is_automatic else "come on ^space or F5 only"
        self.notify(f"Suggestions now {how}.", timeout=3)

    def action_copy(self) -> None:
        editor = self.editor
        if editor.selected_text:
            self._copy("the selection", editor.selected_text)
        elif editor.ghost and editor.ghost.text:
            self._copy("the suggestion", editor.ghost.text)
        else:
            self.action_copy_all()

    def action_copy_all(self) -> None:
        self._copy("the buffer", self.editor.text)

    def action_copy_completion(self) -> None:
        last = self._completing.last
        if last is None:
            self.notify("There is no completion yet: ask for one with ^space or F5.", timeout=4)
        else:
            self._copy("the completion", last.text)

    def _copy(self, what: str, text: str) -> None:
        self.app.keep_for_paste(text)
        try:
            where = clipboard.copy(text, self.app.write_terminal)
        except LocalcoderError as error:
            self.show_error(error)
        else:
            self.notify(f"Copied {what} to {where}.", timeout=5, markup=False)

    def settings_changed(self) -> None:
        """Apply what can be applied to what is open."""
        for buffer in self.buffers:
            self.configure(buffer)
        self._completing.options = _options(self.app.settings)
        self._completing.is_automatic = self.app.settings.automatic
        self._show_place()

    @work(group="models", exclusive=True)
    async def action_models(self) -> None:
        self.app.clear_notifications()
        model = await self.app.push_screen_wait(ModelsScreen())
        if model is not None:
            await self._use(model, {"model": model})

    @work(group="models", exclusive=True)
    async def action_toggle_adapter(self) -> None:
        settings = self.app.settings
        changes: dict[str, object] = {"adapter_on": not settings.adapter_on}
        if not settings.adapter:
            answer = await self.app.push_screen_wait(AskLine("LoRA adapter: FILE.gguf, or FILE.gguf:SCALE"))
            if answer is None:
                return
            changes = {"adapter": answer, "adapter_on": True}
        await self._use(self.app.engines.model, changes)

    @work(group="models", exclusive=True)
    async def settings_left(self, needs_loading: bool | None) -> None:
        """The settings screen was closed, perhaps with another model or adapter."""
        if needs_loading:
            await self._use(self.app.settings.model or None, {})

    async def _use(self, model: str | None, changes: Mapping[str, object]) -> None:
        """Load another model, or the same one anew, with these settings changed."""
        self._completing.stop()
        self.editor.clear_ghost()
        try:
            for name, value in changes.items():
                self.app.change_setting(name, value)
        except LocalcoderError as error:
            self.show_error(error)
        await self.app.engines.switch(model)
        self._show_model()
        self._completing.read_ahead(self.editor)

    # --- What is shown

    def _show_status(self, status: Status) -> None:
        self.query_one(StatusLine).show(status)

    def _completed(self, completion: Completion) -> None:
        info = self.app.engines.info
        if info is not None and completion.stats.tokens_generated >= _ENOUGH_TOKENS:
            measured_speed.remember(Path(info.path), completion.stats.tokens_per_s)

    def _show_model(self) -> None:
        settings = self.app.settings
        adapter = Path(settings.adapter).name if settings.adapter_on else ""
        self.query_one(TitleBar).show_model(self.app.engines.info, self.app.engines.model, adapter)

    def _show_file(self) -> None:
        names = [f"{buffer.name} ●" if buffer.is_modified else buffer.name for buffer in self.buffers]
        self.query_one(TitleBar).show_files(names, self.buffers.index(self.buffer))

    def _show_place(self) -> None:
        row, column = self.editor.cursor_location
        newline = {"\r\n": "CRLF", "\r": "CR"}.get(self.editor.document.newline, "")
        mode = self._completing.options.mode
        power = self.app.power.now.word
        details = [power, self.editor.known_language.label, newline, mode if mode != self.app.settings.mode else ""]
        self.query_one(StatusLine).show_place(row + 1, column + 1, " · ".join(filter(None, details)))


_ENOUGH_TOKENS = 16
"""Fewer say little about a model's speed."""
_MODE_NAMES = {"line": "one line", "block": "one block", "free": "as long as the model likes"}


def _options(settings: Settings) -> Options:
    """How the settings want completions to be made."""
    return Options(
        mode=settings.mode,
        max_tokens=settings.max_tokens,
        first_token_s=settings.first_token_s,
        sampling=Sampling(temperature=settings.temperature),
        logprobs=True,
    )
