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


class CompareScreen(ModalScreen[None]):
    """Runs the model in use and the model `other` on the same document."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f9", "dismiss(None)", "Close"),
        Binding("r", "again", "Again"),
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
        """One after the other: side by side they would slow each other down."""
        verdict = self.query_one("#verdict", Static)
        verdict.update("")
        try:
            left = await self._run("left", await self._engines.engine())
            if self._engine is None:
                self.query_one("#right-name", Static).update(f"{Path(self._other).stem}: loading…")
                self._engine = self._engines.another(self._other)
            right = await self._run("right", self._engine)
        except LocalcoderError as error:
            verdict.update(f"{error.what} {error.todo}")
            return
        texts = marked(left.text, right.text, "reverse")
        self.query_one("#left-text", Static).update(texts[0])
        self.query_one("#right-text", Static).update(texts[1])
        verdict.update(_verdict(left, right))

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


def _verdict(left: Completion, right: Completion) -> str:
    same = agreement(left.text, right.text)
    words = "The same text" if same == 1 else f"{same:.0%} the same; what differs is marked"
    slow, fast = sorted((left, right), key=lambda completion: completion.stats.tokens_per_s)
    if slow.stats.tokens_per_s <= 0 or fast.stats.tokens_generated < 2:
        return f"{words}."
    factor = fast.stats.tokens_per_s / slow.stats.tokens_per_s
    return f"{words}. {fast.model} writes {factor:.1f} times as fast."
