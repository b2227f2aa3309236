"""Every command of the app, once: keys, footer, palette and help are all made from this table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Scope = Literal["editor", "screen", "app"]


@dataclass(frozen=True)
class Command:
    """`id` names it in the keymap; `keys` are separated by commas; `footer` is its word there, empty for none."""

    id: str
    scope: Scope
    action: str
    keys: str
    label: str
    help: str
    footer: str = ""
    key_display: str = ""
    before_text: bool = False
    """Its keys go to it before the editor takes them as text or as a movement (while the command is possible)."""


COMMANDS: tuple[Command, ...] = (
    Command("ghost.accept", "editor", "accept_ghost", "tab", "Accept the suggestion",
            "Takes the whole suggestion into the text. One undo takes it back.", "Accept", before_text=True),
    Command("ghost.dismiss", "editor", "dismiss_ghost", "escape", "Dismiss the suggestion",
            "Removes the suggestion and stops the model.", "Dismiss", before_text=True),
    Command("completion.ask", "screen", "complete", "ctrl+@,ctrl+space,f5", "Complete here",
            "Asks the model for text at the cursor, now.", "Complete", "^space", before_text=True),
    Command("file.save", "screen", "save", "ctrl+s", "Save",
            "Writes the buffer to its file, byte for byte, in one step.", "Save", before_text=True),
    Command("file.save_as", "screen", "save_as", "f12", "Save as…", "Writes the buffer to another file."),
    Command("edit.copy", "screen", "copy", "ctrl+c", "Copy",
            "Copies the selection; without one, the suggestion; without that, the buffer.", "Copy", before_text=True),
    Command("models.open", "screen", "models", "f2", "Models…", "Which models there are, and how to get one.",
            "Models"),
    Command("app.quit", "app", "quit", "ctrl+q", "Quit", "Ends the app; asks when something is unsaved.", "Quit",
            before_text=True),
)  # fmt: skip


def bindings(scope: Scope) -> Iterator[Binding]:
    """The key bindings of one scope, remappable by the command's id."""
    for command in COMMANDS:
        if command.scope == scope and command.keys:
            yield Binding(
                command.keys,
                command.action,
                command.footer or command.label,
                show=bool(command.footer),
                priority=command.before_text,
                key_display=command.key_display or None,
                id=command.id,
            )
