"""What an action makes of the text, hunk by hunk: it comes while one looks, and each can be taken or left."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Footer, Static
from textual.worker import Worker, WorkerState

from localcoder.actions.asking import Outcome, Task
from localcoder.actions.hunks import Hunk, hunks_between, take
from localcoder.actions.perform import ActionOptions, Done, Reading, Writing, perform
from localcoder.actions.table import Action
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError
from localcoder.tui.text.difference import marked_lines
from localcoder.tui.text.display import drawable

_DRAW_S = 0.1
"""Between two drawings while the text comes. Chosen: it looks fluent, and leaves the processor to the model."""
_WARNING = "May be wrong, insecure, or somebody's code under a licence: look before you take it."


@dataclass(frozen=True)
class Taken:
    """`text` is `outcome.before` with those of its hunks that were taken."""

    outcome: Outcome
    text: str


class HunkView(Static, can_focus=True):
    """One hunk, which is taken unless it is marked as left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Take or leave"),
        Binding("up,k", "step(-1)", "Previous", show=False),
        Binding("down,j", "step(1)", "Next", show=False),
    ]

    class Toggled(Message):
        """It is taken now, or left."""

    def __init__(self, hunk: Hunk) -> None:
        super().__init__()
        self.hunk = hunk
        self.is_taken = True

    def on_mount(self) -> None:
        self.show()

    def show(self) -> None:
        head = Text(f"{'[x]' if self.is_taken else '[ ]'} {self.hunk.header}", "bold")
        self.update(Text("\n").join([head, *marked_lines(self.hunk.lines)]))
        self.set_class(not self.is_taken, "-left")

    def set_taken(self, is_taken: bool) -> None:
        self.is_taken = is_taken
        self.show()
        self.post_message(self.Toggled())

    def action_mark(self) -> None:
        self.set_taken(not self.is_taken)

    def action_step(self, by: int) -> None:
        views = list(self.screen.query(HunkView))
        here = views.index(self) + by
        if 0 <= here < len(views):
            views[here].focus()


class ActionScreen(ModalScreen[Taken | None]):
    """Runs an action and shows what it changes. Gives what was taken of it, or None."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "Take what is marked"),
        Binding("a", "all", "All or none"),
        Binding("escape", "dismiss(None)", "Cancel"),
    ]

    def __init__(self, action: Action, task: Task, engine: Engine, options: ActionOptions) -> None:
        super().__init__()
        self._action = action
        self._asked = task
        self._engine = engine
        self._options = options
        self._draft: Outcome | None = None
        """What is to be drawn next, while it comes."""
        self._done: Outcome | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static(self._action.label.rstrip("…"), id="title", markup=False)
            yield Static(_WARNING, id="warning", markup=False)
            with VerticalScroll(id="hunks"):
                yield Static(id="said", markup=False)
                yield Static(id="coming")
            yield Static("", id="state", markup=False)
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.set_interval(_DRAW_S, self._draw)
        self._run()

    @property
    def hunk_views(self) -> list[HunkView]:
        """Those that can be taken, once all of it is there."""
        return list(self.query(HunkView))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("take", "all"):
            return bool(self._done is not None and self._done.edits)
        return super().check_action(action, parameters)

    @work(exclusive=True, exit_on_error=False)
    async def _run(self) -> None:
        self._tell("The model is loading…")
        try:
            updates = perform(self._action, self._asked, self._engine, self._options)
            async with aclosing(updates):
                async for update in updates:
                    match update:
                        case Reading(what, progress):
                            self._tell(f"Reading for {what}: {progress.done} of {progress.total} tokens")
                        case Writing(what, so_far):
                            self._tell(f"Writing {what}…")
                            self._draft = so_far
                        case Done(outcome):
                            await self._finish(outcome)
        except LocalcoderError as error:
            self._tell(f"{error.what} {error.todo}".strip())

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        if event.state == WorkerState.ERROR:
            self._tell(f"The app made a mistake: {event.worker.error!r}".splitlines()[0])

    def _tell(self, what: str) -> None:
        self.query_one("#state", Static).update(what)

    def _draw(self) -> None:
        draft, self._draft = self._draft, None
        if draft is None or self._done is not None:
            return
        self.query_one("#said", Static).update(_drawable_lines(draft.explanation))
        lines = [line for hunk in hunks_between(draft.before, draft.after) for line in (hunk.header, *hunk.lines)]
        self.query_one("#coming", Static).update(Text("\n").join(marked_lines(lines)))
        self.query_one("#hunks").scroll_end(animate=False)

    async def _finish(self, outcome: Outcome) -> None:
        self._done = outcome
        said = "\n".join(filter(None, (outcome.explanation, *outcome.notes)))
        self.query_one("#said", Static).update(_drawable_lines(said))
        await self.query_one("#coming").remove()
        hunks = hunks_between(outcome.before, outcome.after)
        scroll = self.query_one("#hunks")
        await scroll.mount_all([HunkView(hunk) for hunk in hunks])
        scroll.scroll_home(animate=False)
        if hunks:
            self.hunk_views[0].focus()
        self._count()
        self.refresh_bindings()

    @on(HunkView.Toggled)
    def _count(self) -> None:
        views = self.hunk_views
        count = sum(view.is_taken for view in views)
        self._tell(f"{count} of {len(views)} marked" if views else "There is nothing to take.")

    def action_all(self) -> None:
        views = self.hunk_views
        wanted = not all(view.is_taken for view in views)
        for view in views:
            view.set_taken(wanted)

    def action_take(self) -> None:
        assert self._done is not None
        hunks = [view.hunk for view in self.hunk_views if view.is_taken]
        text = take(self._done.before, hunks)
        self.dismiss(Taken(self._done, text) if hunks else None)


def _drawable_lines(text: str) -> str:
    return "\n".join(map(drawable, text.split("\n")))
