"""The main screen: an editor, and what the engine does for it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, TextArea
from textual.widgets._toast import ToastRack
from textual.worker import Worker, WorkerState

from localcoder.assembly import make_gathering, make_options
from localcoder.completion.complete import Completion
from localcoder.completion.ending import MODES
from localcoder.errors import LocalcoderError
from localcoder.models import measured_speed, store
from localcoder.power import LOOK_S, PowerWatch
from localcoder.settings import Settings
from localcoder.tui.buffer import Buffer
from localcoder.tui.commands import COMMANDS_BY_ID, bindings, keys_of
from localcoder.tui.controllers import copying
from localcoder.tui.controllers.autosave import Autosave
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.completing import Completing
from localcoder.tui.controllers.definitions import Definitions
from localcoder.tui.controllers.differences import Differences, State
from localcoder.tui.controllers.disk_watch import DiskWatch
from localcoder.tui.controllers.filing import Filing
from localcoder.tui.controllers.going import Going, Target
from localcoder.tui.controllers.languages import Languages
from localcoder.tui.controllers.model_switch import ModelSwitch
from localcoder.tui.controllers.noting import Noting
from localcoder.tui.controllers.searching import Searching
from localcoder.tui.controllers.tour import Tour
from localcoder.tui.controllers.tree_pane import TreePane
from localcoder.tui.engines import EngineHost
from localcoder.tui.footer import for_the_moment
from localcoder.tui.live_settings import LiveSettings
from localcoder.tui.model_job import ModelJob
from localcoder.tui.notices import show_error
from localcoder.tui.screens.side_screens import NO_COMPLETION, SideScreens
from localcoder.tui.start import Opened
from localcoder.tui.status import Status
from localcoder.tui.widgets.disk_bar import Answer, DiskBar
from localcoder.tui.widgets.editor import Editor
from localcoder.tui.widgets.find_bar import FindBar
from localcoder.tui.widgets.status_line import StatusLine
from localcoder.tui.widgets.title_bar import TitleBar


class EditScreen(Screen[None]):
    """Edits some files, one in front: hands keys and events to its controllers, and shows what they say.

    What is in `opened` is there at the start, with the buffer at `active` in front, and the tree of `folder`, if one is
    named; `tour` has the texts behind the places that a first user is shown.
    """

    @dataclass
    class Copy(Message):
        """Text is to be copied; `what` it is follows "Copied"."""

        what: str
        text: str

    # The first screen of an app is shown without its CSS_PATH being read.
    DEFAULT_CSS: ClassVar = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("screen"))

    def __init__(
        self,
        opened: Sequence[Opened],
        active: int = 0,
        *,
        settings: LiveSettings,
        engines: EngineHost,
        power: PowerWatch,
        model_job: ModelJob,
        folder: Path | None = None,
        tour: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._opened = opened
        self._active = active
        self._settings = settings
        self._engines = engines
        self._power = power
        self._shows_tree = folder is not None
        self._is_ready = False
        self._title_bar = TitleBar()
        self.find_bar = FindBar()
        self._disk_bar = DiskBar(keys_of(COMMANDS_BY_ID["file.changed"], settings.now.keys))
        self._status_line = StatusLine()
        self.buffers = Buffers(configure=self._configure, shown=self._buffer_shown, warn=self._warn)
        self._noting = Noting(self, settings, warn=self._warn)
        self.completing = Completing(
            self,
            engines,
            make_options(settings.now, first_token_s=settings.now.first_token_s, logprobs=True),
            make_gathering=lambda: make_gathering(settings.now),
            power=power,
            noting=self._noting,
            show_status=self._status_line.show,
            model_loaded=self._show_model,
            completed=self._completed,
        )
        self.completing.is_automatic = settings.now.automatic
        self.completing.least_confidence = settings.now.least_confidence
        self.completing.checking.is_on = settings.now.checks
        self.completing.ask_keys = _ask_keys(settings.now)
        self._tour = Tour(self, tour, self.completing.ask)
        self._searching = Searching(self.find_bar)
        self._autosave = Autosave(self, self.buffers, model=lambda: engines.model)
        self.disk_watch = DiskWatch(self, self._disk_bar, self.buffers, changed=self._show_files)
        self._filing = Filing(self, self.buffers, self.disk_watch, self._autosave, changed=self._buffer_shown)
        self._going = Going(self, self.buffers, self._filing, folder)
        self._definitions = Definitions(self, self.buffers, self._going)
        self._differences = Differences(self, self.buffers)
        self._desk = Horizontal(id="desk")
        self._tree_pane = TreePane(self, self._desk, self.buffers, self._going)
        self._languages = Languages(self, self.buffers, changed=self._show_place)
        self._model_switch = ModelSwitch(
            self, engines, settings, self.buffers, self.completing, changed=self._show_model
        )
        self._side_screens = SideScreens(self, engines, model_job, self.buffers, self.completing, self._model_switch)

    def compose(self) -> ComposeResult:
        yield self._title_bar
        with self._desk:
            yield self.buffers.begin(self._opened, self._active)
        yield self.find_bar
        yield self._disk_bar
        yield self._status_line
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._is_ready = True
        # The footer was made while no command was possible yet.
        self.refresh_bindings()
        self._settings.watch(self._setting_changed)
        self._show_model()
        self._show_files()
        self._show_place()
        self.disk_watch.start()
        if self._shows_tree:
            self._work("question", self._tree_pane.show())
        else:
            self.editor.focus()
        self.set_interval(LOOK_S, self._show_place)
        for buffer in self.buffers:
            self.buffers.warn_about(buffer)
            if buffer.is_modified:
                self._languages.look(buffer)
        self._autosave.soon()
        begin = self._tour.begin if self._tour.is_on else self.completing.read_ahead
        self.call_after_refresh(begin, self.editor)

    def on_unmount(self) -> None:
        self._noting.close()

    @property
    def editor(self) -> Editor:
        """The one in front."""
        return self.buffers.front.editor

    def leave(self) -> None:
        """End the app, after asking what to do with unsaved changes."""
        self._work("file", self._filing.leave())

    def reload_model(self) -> None:
        """Another model or adapter is in the settings."""
        self._work("models", self._model_switch.reload())

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return for_the_moment(super().active_bindings, self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # A key can come before everything is in its place.
        return self._is_ready and super().check_action(action, parameters)

    def _work(self, group: str, work: Coroutine[None, None, object]) -> None:
        """Run what may ask a question. A newer one of the same group takes its place."""
        self.run_worker(work, group=group, exclusive=True, exit_on_error=False)

    def _configure(self, buffer: Buffer) -> None:
        settings = self._settings.now
        editor = buffer.editor
        editor.soft_wrap = settings.soft_wrap
        editor.show_line_numbers = settings.line_numbers
        editor.closes_brackets = settings.close_brackets
        editor.indent_by(max(settings.indent_width, 1))
        keys = _ask_keys(settings)
        editor.placeholder = f"Type or paste code. After a pause, or on {keys}, the model suggests what comes next."

    # --- What happens

    @on(Editor.Edited)
    def _edited(self, event: Editor.Edited) -> None:
        # Restoring an unsaved text is an edit too, and comes before everything is in its place.
        if not self._is_ready:
            return
        self.completing.edited(event)
        self._tour.edited(event)
        self._show_files()
        self._autosave.soon()

    @on(Editor.Loaded)
    def _loaded(self, event: Editor.Loaded) -> None:
        if not self._is_ready:
            return
        if event.editor is self.editor:
            self.completing.stop()
            self.completing.read_ahead(event.editor)
            self._show_place()
        self._show_files()
        self._autosave.soon()

    @on(Editor.Pasted)
    def _pasted(self, event: Editor.Pasted) -> None:
        self.completing.read_ahead(event.editor)
        self._languages.look(self.buffers.front)

    @on(Editor.GhostGone)
    def _ghost_gone(self) -> None:
        self.completing.stop()

    @on(TextArea.SelectionChanged)
    def _moved(self) -> None:
        if self._is_ready:
            self.completing.moved(self.editor)
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
            show_error(self, error)
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
        self._work("file", self._answer_disk(event.answer))

    async def _answer_disk(self, answer: Answer) -> None:
        if await self.disk_watch.answered(answer):
            await self._filing.save()

    @on(DiskBar.Left)
    def _disk_left(self) -> None:
        self.editor.focus()

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """An error of this program itself must not close it: the text would go with it."""
        if event.state == WorkerState.ERROR:
            error = event.worker.error
            what = f"The app made a mistake: {type(error).__name__}: {error}".splitlines()[0]
            self._status_line.show(Status("failed", reason=what))
            show_error(self, LocalcoderError(what, "Your text is safe. Try again; please report it if it recurs."))

    # --- Commands

    def action_find(self) -> None:
        self._searching.begin(self.editor, with_replace=False)

    def action_replace(self) -> None:
        self._searching.begin(self.editor, with_replace=True)

    def action_find_step(self, by: int) -> None:
        self._searching.step(self.editor, by)

    def action_answer_disk(self) -> None:
        self._disk_bar.answer_now()

    def action_choose_language(self) -> None:
        self._work("question", self._languages.choose())

    def action_toggle_wrap(self) -> None:
        self.editor.soft_wrap = not self.editor.soft_wrap

    def action_go_to(self, where: Target) -> None:
        # A notice would stand over what is to be chosen from.
        self.app.clear_notifications()
        self._work("question", self._going.to(where))

    def action_definition(self) -> None:
        self._work("question", self._definitions.show())

    def action_differences(self, against: State) -> None:
        self._work("question", self._differences.show(against))

    def action_tree(self) -> None:
        self._work("question", self._tree_pane.toggle())

    def action_act(self, name: str) -> None:
        self._work("action", self._side_screens.act(name))

    def action_complete(self) -> None:
        self.completing.ask(self.editor)

    def action_alternative(self, step: int) -> None:
        self.completing.alternative(self.editor, step)

    def action_cycle_mode(self) -> None:
        options = self.completing.options
        mode = MODES[(MODES.index(options.mode) + 1) % len(MODES)]
        self.completing.options = replace(options, mode=mode)
        self.notify(f"Suggestions are now: {_MODE_NAMES[mode]}.", timeout=3)
        self._show_place()

    def action_inspect(self) -> None:
        self._side_screens.inspect()

    def action_compare(self) -> None:
        self._work("compare", self._side_screens.compare())

    def action_toggle_shading(self) -> None:
        self.completing.is_shaded = not self.completing.is_shaded
        self.notify(f"Unsure parts of suggestions are {'' if self.completing.is_shaded else 'not '}shaded.", timeout=3)

    def action_toggle_automatic(self) -> None:
        self.completing.is_automatic = not self.completing.is_automatic
        self.completing.stop()
        how = "come after a pause" if self.completing.is_automatic else "come on ^space or F5 only"
        self.notify(f"Suggestions now {how}.", timeout=3)

    def action_copy(self) -> None:
        self._copy(*copying.what_is_meant(self.editor, self.completing))

    def action_copy_all(self) -> None:
        self._copy(*copying.whole(self.editor))

    def action_copy_completion(self) -> None:
        found = copying.completion(self.completing)
        if found is None:
            self.notify(NO_COMPLETION, timeout=4)
        else:
            self._copy(*found)

    def _copy(self, what: str, text: str) -> None:
        self.post_message(self.Copy(what, text))

    def action_new(self) -> None:
        self._work("file", self._filing.new())

    def action_open(self) -> None:
        self._work("file", self._filing.open())

    def action_recent(self) -> None:
        self._work("file", self._filing.open_recent())

    def action_save(self) -> None:
        self._work("file", self._filing.save())

    def action_save_as(self) -> None:
        self._work("file", self._filing.save_as())

    def action_close(self) -> None:
        self._work("file", self._filing.close())

    def action_next_buffer(self, step: int) -> None:
        self.buffers.step(step)

    def action_show_buffer(self, index: int) -> None:
        self.buffers.show_at(index)

    def action_models(self) -> None:
        self._work("models", self._side_screens.choose_model())

    def action_toggle_adapter(self) -> None:
        self._work("models", self._model_switch.toggle_adapter())

    # --- What is shown

    def _buffer_shown(self) -> None:
        """Another buffer is in front, or the one in front has another name or was saved."""
        self.completing.stop()
        self._searching.end(self.editor)
        self._show_files()
        self._show_place()
        self.disk_watch.show()

    def _setting_changed(self, name: str) -> None:
        """Apply what can be applied to what is open."""
        if name in ("context", "repository"):
            self.completing.context_changed()
        for buffer in self.buffers:
            self._configure(buffer)
        now = self._settings.now
        self.completing.options = make_options(now, first_token_s=now.first_token_s, logprobs=True)
        self.completing.is_automatic = now.automatic
        self.completing.least_confidence = now.least_confidence
        self.completing.checking.is_on = now.checks
        self._show_place()

    def _warn(self, what: str) -> None:
        self.notify(what, severity="warning", timeout=8, markup=False)

    def _completed(self, completion: Completion) -> None:
        info = self._engines.info
        if self._tour.is_new:
            self._work("offer", self._offer_model())
        if info is not None and not info.host and completion.stats.tokens_generated >= _ENOUGH_TOKENS:
            measured_speed.remember(Path(info.path), completion.stats.tokens_per_s)

    async def _offer_model(self) -> None:
        """Say once which real model suits this machine, where there is only the bundled one."""
        from localcoder.models.first_model import first_model

        self._tour.is_new = False
        if all(model.is_bundled for model in store.installed()):
            speed = await (await self._engines.engine()).estimate(())
            self.notify(first_model(speed.tokens_per_s), timeout=20, markup=False)

    def _show_model(self) -> None:
        settings = self._settings.now
        adapter = Path(settings.adapter).name if settings.adapter_on else ""
        self._title_bar.show_model(self._engines.info, self._engines.model, adapter)

    def _show_files(self) -> None:
        names = [f"{buffer.name} ●" if buffer.is_modified else buffer.name for buffer in self.buffers]
        self._title_bar.show_files(names, self.buffers.front_index)

    def _show_place(self) -> None:
        row, column = self.editor.cursor_location
        is_above = self.editor.cursor_screen_offset.y < self.size.height // 2
        self.query(ToastRack).set_class(is_above, "-below")
        newline = {"\r\n": "CRLF", "\r": "CR"}.get(self.editor.document.newline, "")
        mode = self.completing.options.mode
        power = self._power.now.word
        details = [power, self.editor.known_language.label, newline, mode if mode != self._settings.now.mode else ""]
        self._status_line.show_place(row + 1, column + 1, " · ".join(filter(None, details)))


def _ask_keys(settings: Settings) -> str:
    return " or ".join(keys_of(COMMANDS_BY_ID["completion.ask"], settings.keys).split())


_ENOUGH_TOKENS = 16
"""Chosen: fewer say little about a model's speed."""
_MODE_NAMES = {"line": "one line", "block": "one block", "free": "as long as the model likes"}
