"""The main screen: an editor, and what the engine does for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer, TextArea

from localcoder.completion.complete import Completion, Options
from localcoder.completion.stopping import MODES
from localcoder.engine.api import Sampling
from localcoder.errors import LocalcoderError
from localcoder.models import store
from localcoder.settings import Settings
from localcoder.tui import clipboard, speeds
from localcoder.tui.commands import bindings
from localcoder.tui.completing import Completing
from localcoder.tui.files import TextFile, write_text_file
from localcoder.tui.screens.ask import AskLine, Choose
from localcoder.tui.screens.compare import CompareScreen, PickModel
from localcoder.tui.screens.inspect import InspectScreen
from localcoder.tui.screens.models import ModelsScreen
from localcoder.tui.searching import Searching
from localcoder.tui.status import Status
from localcoder.tui.widgets.editor import Editor
from localcoder.tui.widgets.find_bar import FindBar
from localcoder.tui.widgets.status_line import StatusLine
from localcoder.tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from localcoder.tui.app import LocalcoderApp


class EditScreen(Screen[None]):
    """Edits one file."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("screen"))
    app: LocalcoderApp

    def __init__(self, content: TextFile, path: Path | None) -> None:
        super().__init__()
        self._saved = content
        self._path = path

    def compose(self) -> ComposeResult:
        yield TitleBar()
        editor = Editor(self._saved.text, path=self._path, id="editor")
        self._configure(editor)
        editor.placeholder = "Type or paste code. After a pause, or on F5, the model suggests what comes next."
        yield editor
        yield FindBar()
        yield StatusLine()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._completing = Completing(
            self,
            self.app.engines,
            _options(self.app.settings),
            show_status=self._show_status,
            show_error=self._show_error,
            model_loaded=self._show_model,
            completed=self._completed,
        )
        self._completing.is_automatic = self.app.settings.automatic
        self._searching = Searching(self.query_one(FindBar))
        self._show_model()
        self._show_file()
        self._show_place()
        self.editor.focus()
        self.call_after_refresh(self._completing.read_ahead, self.editor)

    @property
    def editor(self) -> Editor:
        return self.query_one(Editor)

    @property
    def is_modified(self) -> bool:
        return self.editor.text != self._saved.text

    # --- What happens

    @on(Editor.Edited)
    def _edited(self, event: Editor.Edited) -> None:
        self._completing.edited(event.editor, followed_ghost=event.followed_ghost)
        self._show_file()

    @on(Editor.Pasted)
    def _pasted(self, event: Editor.Pasted) -> None:
        self._completing.read_ahead(event.editor)

    @on(Editor.GhostGone)
    def _ghost_gone(self) -> None:
        self._completing.stop()

    @on(TextArea.SelectionChanged)
    def _moved(self) -> None:
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
            self._show_error(error)
        else:
            if event.everywhere:
                self.notify(f"Replaced {count}. One undo takes them all back.", timeout=4)

    @on(FindBar.Closed)
    def _search_closed(self) -> None:
        self._searching.end(self.editor)
        self.editor.focus()

    # --- Commands

    def action_find(self) -> None:
        self._searching.begin(self.editor, with_replace=False)

    def action_replace(self) -> None:
        self._searching.begin(self.editor, with_replace=True)

    def action_find_step(self, by: int) -> None:
        self._searching.step(self.editor, by)

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
        self._completing.ask(self.editor)

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
            self.app.push_screen(InspectScreen(last, document))

    @work(group="compare", exclusive=True)
    async def action_compare(self) -> None:
        loaded = self.app.engines.info
        others = [model for model in store.installed() if loaded is None or Path(loaded.path) != model.path]
        if not others:
            self.notify("There is only one model here. F2 gets another: pull it, add a file, convert one.", timeout=6)
            return
        other = await self.app.push_screen_wait(PickModel("Compare with which model?", others))
        if other is not None:
            self._completing.stop()
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
            what, text = "the selection", editor.selected_text
        elif editor.ghost and editor.ghost.text:
            what, text = "the suggestion", editor.ghost.text
        else:
            what, text = "the buffer", editor.text
        try:
            where = clipboard.copy(text, self.app.write_terminal)
        except LocalcoderError as error:
            self._show_error(error)
        else:
            self.notify(f"Copied {what} to {where}.", timeout=4)

    @work(group="file", exclusive=True)
    async def action_save(self) -> None:
        await self._save(self._path)

    @work(group="file", exclusive=True)
    async def action_save_as(self) -> None:
        await self._save(None)

    @work(group="file", exclusive=True)
    async def leave(self) -> None:
        """End the app, after asking what to do with unsaved changes."""
        if self.is_modified:
            name = self._path.name if self._path else "The new buffer"
            answer = await self.app.push_screen_wait(
                Choose(
                    f"{name} has unsaved changes.",
                    [("save", "Save and quit"), ("discard", "Quit without saving"), ("stay", "Stay")],
                )
            )
            if answer == "save":
                if not await self._save(self._path):
                    return
            elif answer != "discard":
                return
        self.app.exit()

    @work(group="models", exclusive=True)
    async def action_models(self) -> None:
        model = await self.app.push_screen_wait(ModelsScreen())
        if model is not None:
            self._completing.stop()
            self.editor.clear_ghost()
            await self.app.engines.switch(model)
            self._show_model()
            self._completing.read_ahead(self.editor)

    async def _save(self, path: Path | None) -> bool:
        if path is None:
            answer = await self.app.push_screen_wait(AskLine("Save as", str(self._path or ""), "path/to/file.py"))
            if answer is None:
                return False
            path, exists = _place(answer)
            if exists and path != self._path:
                question = f"{path} exists. Replace it?"
                if await self.app.push_screen_wait(Choose(question, [("no", "Keep it"), ("yes", "Replace")])) != "yes":
                    return False
        content = TextFile(self.editor.text, self._saved.has_bom)
        try:
            write_text_file(path, content)
        except LocalcoderError as error:
            self._show_error(error)
            return False
        self._path = self.editor.path = path
        self._saved = content
        self._show_file()
        self.notify(f"Saved {path}.", timeout=3)
        return True

    # --- What is shown

    def _show_status(self, status: Status) -> None:
        self.query_one(StatusLine).show(status)

    def _show_error(self, error: LocalcoderError) -> None:
        self.notify(f"{error.what}\n{error.todo}".strip(), severity="error", timeout=15, markup=False)

    def _completed(self, completion: Completion) -> None:
        info = self.app.engines.info
        if info is not None and completion.stats.tokens_generated >= _ENOUGH_TOKENS:
            speeds.remember(Path(info.path), completion.stats.tokens_per_s)

    def _show_model(self) -> None:
        self.query_one(TitleBar).show_model(self.app.engines.info, self.app.engines.model)

    def _show_file(self) -> None:
        self.query_one(TitleBar).show_file(self._path, is_modified=self.is_modified)

    def _show_place(self) -> None:
        row, column = self.editor.cursor_location
        newline = {"\r\n": "CRLF", "\r": "CR"}.get(self.editor.document.newline, "")
        mode = self._completing.options.mode
        details = [self.editor.known_language.label, newline, mode if mode != self.app.settings.mode else ""]
        self.query_one(StatusLine).show_place(row + 1, column + 1, " · ".join(filter(None, details)))

    def _configure(self, editor: Editor) -> None:
        settings = self.app.settings
        editor.soft_wrap = settings.soft_wrap
        editor.show_line_numbers = settings.line_numbers
        editor.closes_brackets = settings.close_brackets


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


def _place(answer: str) -> tuple[Path, bool]:
    """The path that a user typed, and whether something is there."""
    path = Path(answer).expanduser()
    return path, path.exists()
