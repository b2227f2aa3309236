"""What the model was given, what it made of it, and what that cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from localcoder.completion.complete import Completion
from localcoder.completion.context.signatures import Piece
from localcoder.completion.document import Document
from localcoder.errors import LocalcoderError
from localcoder.tui.engines import EngineHost
from localcoder.tui.text.prompt_view import Coverage, coverage, prompt_text, shown, tokens_text

_REASONS = {
    "end": "the model said that the middle ends here",
    "length": "the limit of tokens was reached",
    "cancelled": "it was cancelled",
    "time": "its time was up",
    "line": "a line was asked for",
    "block": "the block ends here",
    "bracket": "a bracket closes that was opened before the cursor",
    "loop": "it began to repeat itself",
}
_PLAINLY = (
    "Generated code may be wrong, insecure, or somebody's under a licence. Checks see some of that, and miss more."
)


class InspectScreen(ModalScreen[None]):
    """Shows one finished completion."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f4,q", "dismiss(None)", "Close")]

    def __init__(
        self, completion: Completion, document: Document, context: Sequence[Piece], engines: EngineHost
    ) -> None:
        """`context` says where the pieces of other files come from."""
        super().__init__()
        self._found = context
        self._engines = engines
        self._completion = completion
        self._document = document

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static("Inspect", id="title")
            with VerticalScroll():
                yield Static(id="summary")
                yield Static("Pieces of other files at the beginning of the prompt", classes="heading")
                yield Static(id="elsewhere")
                yield Static("What to distrust", classes="heading")
                yield Static(_findings(self._completion), id="findings")
                yield Static("Completion, by how sure the model was", classes="heading")
                yield Static(tokens_text(self._completion.tokens), id="tokens")
                yield Static(_table(self._completion), id="table")
                where = "as it was sent" if self._completion.host else "token by token"
                yield Static(f"Prompt, {where}; dim: already in the KV cache", classes="heading")
                yield Static(id="prompt")
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._load()

    @work(exclusive=True)
    async def _load(self) -> None:
        completion = self._completion
        try:
            engine = await self._engines.engine()
            info = await engine.info()
            pieces = await engine.pieces(completion.prompt_ids)
            costs = await engine.tokenize([f"{snippet.path}\n{snippet.text}" for snippet in completion.elsewhere])
        except LocalcoderError as error:
            self.query_one("#summary", Static).update(f"{error.what}\n{error.todo}")
            return
        went_in = coverage(self._document, completion.prompt_ids, pieces, info.special)
        self.query_one("#summary", Static).update(_summary(completion, went_in))
        self.query_one("#elsewhere", Static).update(_elsewhere(completion, self._found, [len(ids) for ids in costs]))
        self.query_one("#prompt", Static).update(
            prompt_text(completion.prompt_ids, pieces, reused=completion.stats.tokens_reused, special=info.special)
        )


def _summary(completion: Completion, went_in: Coverage) -> Text:
    stats = completion.stats
    left_out = went_in.before_total + went_in.after_total - went_in.before - went_in.after
    lines = {
        "model": f"{completion.model}, on {completion.host}" if completion.host else completion.model,
        "stopped": _REASONS.get(completion.reason, completion.reason),
        "prompt": f"{len(completion.prompt_ids)} tokens: {stats.tokens_reused} reused, {stats.tokens_read} read",
        "of the file": f"lines {went_in.first_line} to {went_in.last_line} of {went_in.line_count}; "
        + (f"{left_out:,} characters stayed out" if left_out else "all of it"),
        "time": f"first token after {stats.first_token_s:.2f} s, {stats.tokens_generated} tokens "
        f"at {stats.tokens_per_s:.1f} a second",
    }
    rows = (Text.assemble((f"{name:<13}", "bold"), value) for name, value in lines.items())
    return Text("\n").join(rows)


def _elsewhere(completion: Completion, context: Sequence[Piece], costs: Sequence[int]) -> Text:
    """Which pieces went in, what they cost, where they come from, and why."""
    if not completion.elsewhere:
        wanted = "; they are read in the background, for the next completions" if context else ""
        return Text(f"none{wanted}", style="dim")
    known = {piece.snippet: piece for piece in context}
    lines = []
    for snippet, tokens in zip(completion.elsewhere, costs, strict=True):
        piece = known.get(snippet)
        lines.append(Text.assemble((snippet.path, "bold"), f"  {tokens} tokens  {_origin(piece)}"))
        if piece is not None:
            lines += (Text(f"    {name}: {why}", style="dim") for name, why in piece.names)
    return Text("\n").join(lines)


def _origin(piece: Piece | None) -> str:
    if piece is None:
        return "open file"
    return f"{piece.library or piece.origin}, for {len(piece.names)} name{'s'[: len(piece.names) != 1]}"


def _findings(completion: Completion) -> Text:
    lines = [
        Text.assemble((f"{each.line}:{each.column}  ", "bold"), f"{each.what}. {each.why}")
        for each in completion.findings
    ]
    return Text("\n").join([*lines, Text(_PLAINLY)])


def _table(completion: Completion) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("id", justify="right")
    table.add_column("probability", justify="right")
    table.add_column("piece")
    for token in completion.tokens:
        probability = "" if token.logprob is None else f"{math.exp(token.logprob):.1%}"
        table.add_row(str(token.id), probability, Text(shown(token.text).replace("\n", "") or "…"))
    return table
