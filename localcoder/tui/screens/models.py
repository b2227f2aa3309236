"""Which models there are here, which ones are available, and what this machine can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from localcoder.errors import LocalcoderError
from localcoder.models import licence, measured_speed, store
from localcoder.models.catalog import (
    CONVERTIBLE,
    ENTRIES,
    LICENCE,
    Convertible,
    Entry,
    checkpoint_in_name,
    published_of,
    size_in_name,
)
from localcoder.models.description import type_of
from localcoder.models.memory_fit import Fit, advise, fit, gigabytes
from localcoder.tui.dialogs.ask import AskLine, Choose, PickOne
from localcoder.tui.dialogs.card import CardScreen, card_of
from localcoder.tui.engines import EngineHost
from localcoder.tui.model_job import ModelJob
from localcoder.tui.notices import show_error

_REFRESH_S = 0.25
"""Between two looks at the running job. Chosen: a bar that moves, for little work."""
_TYPES = ("Q4_K_M", "IQ4_XS", "IQ3_M", "Q5_K_M", "Q6_K", "Q8_0", "BF16")
"""To convert to, the usual one first; none of them needs an importance matrix."""
_MOST_FIGURES = 3
"""Lines of figures below the table."""
_COLUMNS = ("Model", "Type", "Size", "Fits here", "tok/s", "Where")


@dataclass(frozen=True)
class _Row:
    """A model here, one that can be pulled, or one that can be made from a published checkpoint."""

    name: str
    type_name: str
    size_bytes: int
    fit: Fit
    installed: store.Installed | None = None
    entry: Entry | None = None
    made: Convertible | None = None

    @property
    def checkpoint(self) -> str:
        """What it is, or would be, made from, where that was published."""
        if self.installed:
            return checkpoint_in_name(self.installed.path.stem)
        return self.entry.checkpoint if self.entry else self.made.checkpoint.repository if self.made else ""


def _rows() -> list[_Row]:
    here = store.installed()
    rows = [
        _Row(
            model.name,
            type_of(model),
            model.size_bytes,
            fit(model.size_bytes, size_in_name(model.name)),
            installed=model,
        )
        for model in here
    ]
    names = {model.path.name for model in here}
    rows += [
        _Row(entry.name, entry.type_name, entry.size_bytes, fit(entry.size_bytes, entry.size), entry=entry)
        for entry in ENTRIES
        if entry.local_name not in names
    ]
    rows += [
        _Row(made.name, made.type_name, made.size_bytes, fit(made.size_bytes, made.checkpoint.size), made=made)
        for made in CONVERTIBLE
        if made.local_name not in names
    ]
    return rows


def _where(row: _Row) -> str:
    if row.installed:
        return "bundled" if row.installed.is_bundled else "here"
    return "to pull" if row.entry else "to convert"


def _figures(checkpoint: str) -> Iterator[str]:
    """In a line each, what was published of a checkpoint: what it is good at."""
    for each in published_of(checkpoint)[:_MOST_FIGURES]:
        values = ", ".join(f"{name} {value:g}" for name, value in each.figures.items())
        yield f"{each.benchmark}: {values} % ({each.source.partition(';')[0]})"


class ModelsScreen(ModalScreen[str | None]):
    """Gives the path of the model to use from now on, or None."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Use / get", priority=True),
        Binding("i", "card", "Card, licence"),
        Binding("a", "add", "Add a file"),
        Binding("c", "convert", "Convert a checkpoint"),
        Binding("d,delete", "delete", "Delete"),
        Binding("x", "stop", "Stop"),
        Binding("escape,f2", "dismiss(None)", "Close"),
    ]

    def __init__(self, engines: EngineHost, job: ModelJob) -> None:
        super().__init__()
        self._engines = engines
        self._job = job

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static("Models", id="title")
            yield DataTable(cursor_type="row", zebra_stripes=True, cell_padding=1)
            yield Static(id="detail", markup=False)
            yield Static(id="job", markup=False)
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns(*_COLUMNS)
        self._rows: list[_Row] = []
        self._reload()
        table.focus()
        self._was_running = self._job.state.is_running
        self.set_interval(_REFRESH_S, self._show_job)

    # --- Commands

    def action_choose(self) -> None:
        row = self._current()
        if row is None:
            return
        if row.installed:
            self.dismiss(str(row.installed.path))
        elif row.entry:
            self._pull(row, row.entry)
        elif row.made:
            self._make(row, row.made)

    def action_card(self) -> None:
        """Show what is known and published of the model, and its licence."""
        if row := self._current():
            self.app.push_screen(CardScreen(row.name, card_of(row.checkpoint, row.installed)))

    @work(group="question", exclusive=True)
    async def _pull(self, row: _Row, entry: Entry) -> None:
        if not self._may_start():
            return
        lines = [f"Pull {entry.name} ({gigabytes(entry.size_bytes)}) from", entry.repository]
        if await self._agrees(row, lines, "Pull"):
            self.app.run_worker(lambda: self._job.pull(entry), thread=True, group="model job")

    @work(group="question", exclusive=True)
    async def _make(self, row: _Row, made: Convertible) -> None:
        if not self._may_start():
            return
        checkpoint, kind = made.checkpoint, made.type_name
        lines = [f"Nobody published {made.name} ({gigabytes(made.size_bytes)}). It is made here: the checkpoint's "
                 f"{gigabytes(checkpoint.size_bytes)} are fetched shard by shard and converted, from",
                 checkpoint.repository]  # fmt: skip
        if await self._agrees(row, lines, "Convert"):
            job = self._job
            self.app.run_worker(lambda: job.convert(checkpoint.repository, kind), thread=True, group="model job")

    async def _agrees(self, row: _Row, lines: list[str], verb: str) -> bool:
        """Whether this is to be fetched: asks for the licence too, if nobody agreed to it before."""
        is_new = not licence.is_accepted()
        if row.fit.verdict == "does not fit":
            lines += ["", f"It does not fit this machine: {row.fit.reason}."]
        lines += ["", LICENCE, licence.ADDRESS] if is_new else []
        # To a licence nobody agrees with one key too many.
        agree = f"Agree and {verb.lower()}"
        choices = [("no", "No"), ("yes", agree)] if is_new else [("yes", verb), ("no", "No")]
        if await self.app.push_screen_wait(Choose("\n".join(lines), choices)) != "yes":
            return False
        try:
            if is_new:
                licence.accept()
        except LocalcoderError as error:
            show_error(self, error)
        return True

    @work(group="question", exclusive=True)
    async def action_add(self) -> None:
        answer: str | None = ""
        while answer := await self.app.push_screen_wait(
            AskLine("Path of a GGUF file (it stays where it is)", answer or "")
        ):
            try:
                added = store.add(Path(answer))
            except LocalcoderError as error:
                show_error(self, error)
            else:
                self._reload(added.name)
                return

    @work(group="question", exclusive=True)
    async def action_convert(self) -> None:
        if not self._may_start():
            return
        answer = await self.app.push_screen_wait(AskLine("Folder of a StarCoder2 checkpoint"))
        if answer is None:
            return
        types = [(name, name) for name in _TYPES]
        kind = await self.app.push_screen_wait(PickOne("As which type? Q4_K_M is small and fast.", types))
        if kind is not None:
            job = self._job
            self.app.run_worker(lambda: job.convert(Path(answer).expanduser(), kind), thread=True, group="model job")

    @work(group="question", exclusive=True)
    async def action_delete(self) -> None:
        row = self._current()
        if row is None or row.installed is None:
            return
        model = row.installed
        is_link = model.path.is_symlink()
        what = f"Forget {model.name}? Its file stays." if is_link else f"Delete {model.name}, {model.path}?"
        if await self.app.push_screen_wait(Choose(what, [("no", "Keep it"), ("yes", "Delete")])) == "yes":
            try:
                store.remove(model)
            except LocalcoderError as error:
                show_error(self, error)
            self._reload()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "delete" and self.is_mounted:
            row = self._current()
            return row is not None and row.installed is not None and not row.installed.is_bundled
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        self._job.stop()

    # --- What is shown

    @on(DataTable.RowHighlighted)
    def _show_detail(self) -> None:
        self.refresh_bindings()
        row = self._current()
        if row is None:
            return
        if row.entry:
            text = f"{row.entry.repository} · {row.entry.file}\n{row.entry.size.note} · {row.fit.reason}"
        elif row.made:
            size = row.made.checkpoint.size
            text = f"Made here from {row.made.checkpoint.repository}\n{size.note} · {row.fit.reason}"
        else:
            assert row.installed is not None
            note = "A demonstration: useless for work.\n" if row.installed.is_bundled else f"{row.installed.path}\n"
            text = note + row.fit.reason
        if row.name == self._recommended:
            text += f"\n★ Recommended here: {self._advice.reason}"
        text = "\n".join((text, *_figures(row.checkpoint)))
        self.query_one("#detail", Static).update(text)

    def _show_job(self) -> None:
        state = self._job.state
        self.query_one("#job", Static).update(f"{state.title}: {state.line}" if state.title else "")
        if self._was_running and not state.is_running:
            if state.error:
                show_error(self, state.error)
            self._reload(state.result.stem if state.result else None)
        self._was_running = state.is_running

    def _reload(self, select: str | None = None) -> None:
        table = self.query_one(DataTable)
        known = measured_speed.measured()
        self._rows = _rows()
        self._advice = advise()
        self._recommended = self._advice.entry.name if self._advice.entry else ""
        loaded = self._engines.info
        current = next(
            (row.name for row in self._rows if loaded and row.installed and Path(loaded.path) == row.installed.path),
            None,
        )
        table.clear()
        for row in self._rows:
            speed = known.get(row.installed.path.name) if row.installed else None
            table.add_row(
                f"{'●' if row.name == current else '★' if row.name == self._recommended else ' '} {row.name}",
                row.type_name,
                gigabytes(row.size_bytes),
                row.fit.verdict,
                f"{speed:.0f}" if speed else "",
                _where(row),
            )
        wanted = select or current
        table.move_cursor(row=next((i for i, row in enumerate(self._rows) if row.name == wanted), 0))

    def _current(self) -> _Row | None:
        index = self.query_one(DataTable).cursor_row
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def _may_start(self) -> bool:
        if self._job.state.is_running:
            self.notify("Something is running; x stops it.", severity="warning")
            return False
        return True
