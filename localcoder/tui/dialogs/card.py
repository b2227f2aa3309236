"""What is known of a model, to be read: its card, what was published of it, its licence."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from localcoder.models import licence
from localcoder.models.catalog import published_of
from localcoder.models.description import figures
from localcoder.models.store import Installed
from localcoder.paths import bundled_model


class CardScreen(ModalScreen[None]):
    """Shows a text about the model of that name."""

    CSS_PATH: ClassVar = str(Path(__file__).with_suffix(".tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,i", "dismiss(None)", "Close")]

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self._name_shown = name
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield Static(self._name_shown, id="title", markup=False)
            with VerticalScroll():
                yield Static(self._text, markup=False)
            yield Footer(compact=True, show_command_palette=False)


def card_of(checkpoint: str, installed: Installed | None) -> str:
    """The text about a model: of the bundled one its own card; of another one what was published of the checkpoint."""
    if installed is not None and installed.is_bundled:
        try:
            return bundled_model().with_name("README.md").read_text(encoding="utf-8")
        except OSError:
            return "Its card, README.md beside it, cannot be read."
    parts = [str(installed.path)] if installed is not None else []
    if checkpoint:
        parts.append(f"Made from {checkpoint}, whose own card is at\n  https://huggingface.co/{checkpoint}")
        parts.append("\n".join(figures(published_of(checkpoint))))
        parts.append(licence.TERMS)
    else:
        parts.append("Nothing was published of it, as far as is known here: its name is none of the catalogue's.")
    return "\n\n".join(filter(None, parts))
