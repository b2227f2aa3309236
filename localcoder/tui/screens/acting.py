"""Actions on what is selected, or on the function at the cursor: asked for, looked at, and put into the text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.screen import Screen

from localcoder.actions.asking import Task
from localcoder.actions.perform import ActionOptions
from localcoder.actions.table import ACTIONS_BY_NAME, Action, offered
from localcoder.actions.unit_tests import test_path_of
from localcoder.completion.complete import Options
from localcoder.completion.edits import Range
from localcoder.errors import LocalcoderError
from localcoder.files import reason
from localcoder.tui.buffer import Buffer
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.dialogs.ask import AskLine, PickOne
from localcoder.tui.engines import EngineHost
from localcoder.tui.files import read_text_file
from localcoder.tui.notices import show_error
from localcoder.tui.screens.action import ActionScreen, Taken
from localcoder.tui.widgets.editor import Editor


@dataclass(frozen=True)
class _Asked:
    """What an action was asked about: its result goes into this text, and into no other."""

    buffer: Buffer
    text: str


class Acting:
    """Coroutines here ask questions, and so run in a worker of `owner`.

    `finding` is what is to be distrusted in the last suggestion, if anything: it is likely to be what is to be fixed.
    """

    def __init__(
        self, owner: Screen[None], engines: EngineHost, buffers: Buffers, options: Options, finding: str = ""
    ) -> None:
        self._owner = owner
        self._finding = finding
        self._engines = engines
        self._buffers = buffers
        self._options = ActionOptions(
            sampling=options.sampling, max_prompt_tokens=options.max_prompt_tokens, never_sent=options.never_sent
        )

    async def run(self, name: str) -> None:
        """Do an action in the buffer in front; "" asks which of those that the model can do."""
        try:
            action = ACTIONS_BY_NAME[name] if name else await self._choose()
            if action is not None:
                await self._act(action)
        except LocalcoderError as error:
            show_error(self._owner, error)

    async def _choose(self) -> Action | None:
        engine = await self._engines.engine()
        able = offered(await engine.info())
        items = [(action.name, f"{action.label.ljust(26)} {action.help}") for action in able]
        name = await self._owner.app.push_screen_wait(PickOne("What is to be done?", items))
        return None if name is None else ACTIONS_BY_NAME[name]

    async def _act(self, action: Action) -> None:
        buffer = self._buffers.front
        said = ""
        if action.question:
            answer = await self._owner.app.push_screen_wait(self._question(action))
            if answer is None:
                return
            said = answer
        asked = _Asked(buffer, buffer.editor.text)
        task = self._task(action, buffer, said)
        engine = await self._engines.engine()
        taken = await self._owner.app.push_screen_wait(ActionScreen(action, task, engine, self._options))
        if taken is not None:
            await self._put(asked, taken)

    def _question(self, action: Action) -> AskLine:
        return AskLine(action.question, self._finding if action.name == "fix" else "")

    def _task(self, action: Action, buffer: Buffer, said: str) -> Task:
        editor = buffer.editor
        test_path, existing = None, ""
        if action.name == "tests" and buffer.path is not None:
            test_path = test_path_of(buffer.path, editor.known_language)
            opened = self._opened(test_path)
            existing = opened.editor.text if opened is not None else read_text_file(test_path).text
        return Task(
            document=editor.snapshot(),
            language=editor.known_language,
            selection=_selected(editor),
            instruction=said,
            test_path=test_path,
            existing_tests=existing,
            as_comment=bool(editor.known_language.comment),
        )

    async def _put(self, asked: _Asked, taken: Taken) -> None:
        """What was taken goes into the text, as one step of undo."""
        path = taken.outcome.path
        buffer = asked.buffer
        if path is not None and path != buffer.path:
            buffer = await self._open(path)
        if buffer.editor.text != taken.outcome.before or buffer not in self._buffers:
            self._owner.notify("The text was changed meanwhile: nothing was put into it.", severity="warning")
            return
        buffer.editor.load(taken.text)
        self._owner.notify("One undo takes it back. A model's code may be wrong.", timeout=5)

    async def _open(self, path: Path) -> Buffer:
        """The buffer of the file, in front; it may be a file that is to be made."""
        opened = self._opened(path)
        if opened is not None:
            self._buffers.show(opened)
            return opened
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalcoderError(f"{path.parent} cannot be made: {reason(error)}.", "Make it.") from None
        return await self._buffers.add(read_text_file(path), path)

    def _opened(self, path: Path) -> Buffer | None:
        return next((buffer for buffer in self._buffers if buffer.is_of(path)), None)


def _selected(editor: Editor) -> Range:
    start, end = sorted(editor.document.index_of(place) for place in editor.selection)
    return Range(start, end)
