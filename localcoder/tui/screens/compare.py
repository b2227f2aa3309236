"""Two models at one cursor, side by side."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from localcoder.completion.complete import Completion, Options, TextDelta, complete
from localcoder.completion.document import Document
from localcoder.engine.api import Engine, ReadProgress
from localcoder.errors import LocalcoderError
from localcoder.models.memory_fit import gigabytes
from localcoder.tui.engines import EngineHost
from localcoder.tui.status import Status, describe
from localcoder.tui.text.difference import agreement, marked
from localcoder.tui.text.display import drawable

_ALIKE = 1.15
"""Chosen: two runs of one model differ by that much on a machine that does something else too."""


class CompareScreen(ModalScreen[str | None]):
    """Runs the model in use and the model `other` on the same document. Gives the other if it is to be used."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f9", "dismiss(None)", "Close"),
        Binding("r", "again", "Again"),
        Binding("u", "use", "Use the one on the right"),
    ]

    def __init__(self, document: Document, options: Options, other: str, engines: EngineHost) -> None:
        super().__init__()
        self._engines = engines
        self._document = document
        self._options = options
        self._other = other
        self._engine: Engine | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static("Compare", id="title")
            with Horizontal():
                for side in ("left", "right"):
                    with VerticalScroll(id=side):
                        yield Static(id=f"{side}-name", classes="name", markup=False)
                        yield Static(id=f"{side}-text", classes="text")
                        yield Static(id=f"{side}-figures", classes="figures", markup=False)
            yield Static("", id="verdict", markup=False)
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.action_again()

    async def on_unmount(self) -> None:
        if self._engine is not None:
            await self._engine.close()

    @work(exclusive=True, exit_on_error=False)
    async def action_again(self) -> None:
        """One after the other: side by side they would slow each other down.

        And twice: the first time one of them is still being read from the disk, or has read the prompt before.
        """
        verdict = self.query_one("#verdict", Static)
        verdict.update("")
        try:
            await self._run_both()
            verdict.update("Once more, for the speed…")
            left, right = await self._run_both()
        except LocalcoderError as error:
            verdict.update(f"{error.what} {error.todo}")
            return
        texts = marked(left.text, right.text, "reverse")
        self.query_one("#left-text", Static).update(texts[0])
        self.query_one("#right-text", Static).update(texts[1])
        verdict.update(f"{_sameness(left, right)}. {speed_verdict(left, right)}".strip())

    def action_use(self) -> None:
        self.dismiss(self._other)

    async def _run_both(self) -> tuple[Completion, Completion]:
        left = await self._run("left", await self._engines.engine())
        if self._engine is None:
            self.query_one("#right-name", Static).update(f"{Path(self._other).stem}: loading…")
            self._engine = self._engines.another(self._other)
        return left, await self._run("right", self._engine)

    async def _run(self, side: str, engine: Engine) -> Completion:
        text = self.query_one(f"#{side}-text", Static)
        figures = self.query_one(f"#{side}-figures", Static)
        info = await engine.info()
        self.query_one(f"#{side}-name", Static).update(f"{info.name} · {gigabytes(info.size_bytes)}")
        sofar = ""
        updates = complete(self._document, engine, self._options)
        async with aclosing(updates):
            async for update in updates:
                match update:
                    case ReadProgress():
                        figures.update(describe(Status("reading", update)))
                    case TextDelta():
                        sofar += update.text
                        text.update("\n".join(map(drawable, sofar.split("\n"))))
                    case Completion():
                        figures.update(describe(Status("done", stats=update.stats)))
                        return update
        raise AssertionError("a completion always ends with one")


def _sameness(left: Completion, right: Completion) -> str:
    same = agreement(left.text, right.text)
    return "The same text" if same == 1 else f"{same:.0%} the same; what differs is marked"


def speed_verdict(left: Completion, right: Completion) -> str:
    """Which of two wrote faster; empty where too little was written to tell."""
    slow, fast = sorted((left, right), key=lambda completion: completion.stats.tokens_per_s)
    if slow.stats.tokens_per_s <= 0 or min(left.stats.tokens_generated, right.stats.tokens_generated) < 2:
        return ""
    factor = fast.stats.tokens_per_s / slow.stats.tokens_per_s
    if factor < _ALIKE:
        return "Both write about as fast."
    return f"{fast.model} writes {factor:.1f} times as fast."
