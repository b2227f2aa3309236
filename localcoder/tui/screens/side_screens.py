"""Opens the screens beside the editor: what a completion was made of, two models at one cursor, which models there are,
what an action makes of the text.

A screen that is seldom seen is imported when it is opened: the first frame comes earlier.
"""

from __future__ import annotations

from pathlib import Path

from textual.screen import Screen

from localcoder.models import store
from localcoder.models.memory_fit import gigabytes
from localcoder.tui.controllers.buffers import Buffers
from localcoder.tui.controllers.completing import Completing
from localcoder.tui.controllers.model_switch import ModelSwitch
from localcoder.tui.dialogs.ask import PickOne
from localcoder.tui.engines import EngineHost
from localcoder.tui.model_job import ModelJob


class SideScreens:
    """Coroutines here ask questions, and so run in a worker of `owner`."""

    def __init__(
        self,
        owner: Screen[None],
        engines: EngineHost,
        model_job: ModelJob,
        buffers: Buffers,
        completing: Completing,
        model_switch: ModelSwitch,
    ) -> None:
        self._owner = owner
        self._engines = engines
        self._model_job = model_job
        self._buffers = buffers
        self._completing = completing
        self._model_switch = model_switch

    def inspect(self) -> None:
        """What the last completion was made of."""
        from localcoder.tui.screens.inspect import InspectScreen

        last, document = self._completing.last, self._completing.last_document
        if last is None or document is None:
            self._owner.notify(NO_COMPLETION, timeout=4)
        else:
            self._clear_notices()
            self._owner.app.push_screen(
                InspectScreen(last, document, self._completing.context(document), self._engines)
            )

    async def compare(self) -> None:
        """Ask for another model, and run it and the one in use at the cursor."""
        from localcoder.tui.screens.compare import CompareScreen

        loaded = self._engines.info
        others = [model for model in store.installed() if loaded is None or Path(loaded.path) != model.path]
        if not others:
            what = "There is only one model here. F2 gets another: pull it, add a file, convert one."
            self._owner.notify(what, timeout=6)
            return
        items = [(str(model.path), f"{model.name}  {gigabytes(model.size_bytes)}") for model in others]
        other = await self._owner.app.push_screen_wait(PickOne("Compare with which model?", items))
        if other is not None:
            self._completing.stop()
            self._clear_notices()
            document, options = self._buffers.front.editor.snapshot(), self._completing.options
            compare = CompareScreen(document, options, other, self._engines)
            if chosen := await self._owner.app.push_screen_wait(compare):
                await self._model_switch.use(chosen)

    async def choose_model(self) -> None:
        """Show the models; load the one that is chosen."""
        from localcoder.tui.screens.models import ModelsScreen

        self._clear_notices()
        model = await self._owner.app.push_screen_wait(ModelsScreen(self._engines, self._model_job))
        if model is not None:
            await self._model_switch.use(model)

    async def act(self, name: str) -> None:
        """Do an action where the cursor is; "" asks which."""
        from localcoder.tui.screens.acting import Acting

        self._completing.stop()
        self._buffers.front.editor.clear_ghost()
        self._clear_notices()
        last = self._completing.last
        finding = last.findings[0].what if last is not None and last.findings else ""
        await Acting(self._owner, self._engines, self._buffers, self._completing.options, finding).run(name)

    def _clear_notices(self) -> None:
        """What was read or not, it would now stand over what was asked for."""
        self._owner.app.clear_notifications()


NO_COMPLETION = "There is no completion yet: ask for one with ^space or F5."
