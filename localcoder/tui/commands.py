"""Every command of the app, once: keys, footer, palette and help are all made from this table."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

from localcoder.errors import LocalcoderError

Moment = Literal["text", "suggestion"]
"""While somebody writes, or while a suggestion is shown."""
Scope = Literal["editor", "find", "screen", "app"]


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
    moments: tuple[Moment, ...] = ("text",)
    """When the footer has room for it."""


COMMANDS: tuple[Command, ...] = (
    Command("ghost.accept", "editor", "accept_ghost", "tab", "Accept the suggestion",
            "Takes the whole suggestion into the text. One undo takes it back.", "Accept", before_text=True,
            moments=("suggestion",)),
    Command("ghost.accept_word", "editor", "accept_ghost_word", "ctrl+right", "Accept a word",
            "Takes the next word of the suggestion into the text.", "Word", before_text=True, moments=("suggestion",)),
    Command("ghost.accept_line", "editor", "accept_ghost_line", "ctrl+down", "Accept a line",
            "Takes the next line of the suggestion into the text.", "Line", before_text=True, moments=("suggestion",)),
    Command("ghost.dismiss", "editor", "dismiss_ghost", "escape", "Dismiss the suggestion",
            "Removes the suggestion and stops the model.", "Dismiss", before_text=True, moments=("suggestion",)),
    Command("completion.ask", "screen", "complete", "ctrl+@,ctrl+space,f5", "Complete here",
            "Asks the model for text at the cursor, now.", "Complete", "^space", before_text=True),
    Command("completion.next", "screen", "alternative(1)", "f8,alt+right_square_bracket", "Next suggestion",
            "Shows another suggestion for this place; asks for one more after the last.", "Another", before_text=True,
            moments=("suggestion",)),
    Command("completion.previous", "screen", "alternative(-1)", "f7,alt+left_square_bracket", "Previous suggestion",
            "Shows the suggestion before.", before_text=True),
    Command("completion.mode", "screen", "cycle_mode", "alt+m", "Line, block or free length",
            "Sets how long suggestions are: one line, one block, or as long as the model likes.", before_text=True),
    Command("completion.automatic", "screen", "toggle_automatic", "f6", "Suggest by itself, or not",
            "Turns suggestions after a pause on or off.", before_text=True),
    Command("completion.inspect", "screen", "inspect", "f4", "Inspect the last completion…",
            "The prompt as tokens, what of the file went in, why it stopped, how sure the model was."),
    Command("completion.compare", "screen", "compare", "f9", "Compare two models here…",
            "Runs another model at the cursor, side by side with this one."),
    Command("completion.shade", "screen", "toggle_shading", "alt+s", "Shade what the model is unsure of",
            "Colours the parts of a suggestion that the model gives little chance.", before_text=True),
    Command("action.choose", "screen", "act('')", "alt+q", "Act on the selection, or on this function…",
            "Documentation, types, tests, an explanation, a change: asks which. What comes can be taken in parts.",
            before_text=True),
    Command("action.docstring", "screen", "act('docstring')", "", "Write documentation…",
            "Documents the function or class at the cursor, or those selected."),
    Command("action.types", "screen", "act('types')", "", "Add type hints…",
            "Writes the types that parameters and returns lack."),
    Command("action.fill", "screen", "act('fill')", "", "Fill what is left open…",
            "Writes bodies that are `pass`, `...` or marked TODO."),
    Command("action.tests", "screen", "act('tests')", "", "Write tests…",
            "Writes tests of the function or class at the cursor, into a buffer for their file."),
    Command("action.explain", "screen", "act('explain')", "", "Explain…", "Says what the code does."),
    Command("action.change", "screen", "act('change')", "", "Change by instruction…",
            "Changes the selected lines, or the function at the cursor, as you say."),
    Command("action.fix", "screen", "act('fix')", "", "Fix a finding…", "Changes what you say is wrong here."),
    Command("file.save", "screen", "save", "ctrl+s", "Save",
            "Writes the buffer to its file, byte for byte, in one step.", "Save", before_text=True),
    Command("file.open", "screen", "open", "ctrl+o", "Open…", "Opens a file beside what is open.", before_text=True),
    Command("file.recent", "screen", "recent", "alt+o", "Open a recent file…", "Shows files that were opened lately.",
            before_text=True),
    Command("file.new", "screen", "new", "ctrl+n", "New buffer", "Begins an empty buffer.", before_text=True),
    Command("file.close", "screen", "close", "alt+w", "Close the buffer", "Closes it; asks when it is unsaved.",
            before_text=True),
    Command("file.next", "screen", "next_buffer(1)", "ctrl+pagedown,alt+n", "Next buffer", "Shows the next one.",
            before_text=True),
    Command("file.previous", "screen", "next_buffer(-1)", "ctrl+pageup,alt+p", "Previous buffer",
            "Shows the one before.", before_text=True),
    Command("file.save_as", "screen", "save_as", "f12", "Save as…", "Writes the buffer to another file."),
    Command("file.changed", "screen", "answer_disk", "alt+d", "Changed by another program",
            "Goes to the question about a file that was changed on the disk.", before_text=True),
    Command("file.difference", "screen", "differences('disk')", "alt+y", "Changes since it was saved…",
            "Shows where the buffer differs from its file on the disk.", before_text=True),
    Command("file.difference_head", "screen", "differences('HEAD')", "alt+v", "Changes since the last commit…",
            "Shows where the buffer differs from what git has of it in HEAD.", before_text=True),
    Command("edit.comment", "editor", "toggle_comment", "ctrl+slash,ctrl+underscore", "Comment lines",
            "Comments the selected lines out, or in again.", before_text=True),
    Command("edit.indent", "editor", "indent", "", "Indent lines", "Makes the selected lines one step deeper.",
            key_display="tab"),
    Command("edit.dedent", "editor", "dedent", "", "Dedent lines", "Makes them less deep by one step.",
            key_display="shift+tab"),
    Command("edit.duplicate", "editor", "duplicate_lines", "ctrl+d", "Duplicate lines",
            "Puts the selected lines there once more, below.", before_text=True),
    Command("edit.move_up", "editor", "move_lines(-1)", "alt+up,alt+u", "Move lines up",
            "The selected lines change places with the one above.", before_text=True),
    Command("edit.move_down", "editor", "move_lines(1)", "alt+down,alt+j", "Move lines down",
            "The selected lines change places with the one below.", before_text=True),
    Command("edit.delete_line", "editor", "delete_line", "alt+k,ctrl+shift+k", "Delete lines",
            "Deletes the selected lines.", before_text=True),
    Command("edit.select_all", "editor", "select_all", "ctrl+a", "Select all", "Selects the whole text.",
            before_text=True),
    Command("edit.undo", "editor", "undo", "ctrl+z", "Undo", "Takes the last change back."),
    Command("edit.redo", "editor", "redo", "ctrl+y", "Redo", "Makes an undone change again."),
    Command("edit.paste", "editor", "paste", "ctrl+v", "Paste", "Inserts what was copied last, here or elsewhere."),
    Command("edit.cut", "editor", "cut", "ctrl+x", "Cut", "Copies the selection, or the line, and deletes it."),
    Command("go.file", "screen", "go_to('file')", "ctrl+p", "Go to file…",
            "Opens a file of the project by some letters of its path; file:12 goes to line 12, > is for commands.",
            before_text=True),
    Command("go.symbol", "screen", "go_to('symbol')", "ctrl+t", "Go to symbol…",
            "Goes to something that this file defines.", before_text=True),
    Command("go.definition", "screen", "definition", "alt+full_stop", "Go to definition",
            "Goes to where the name at the cursor is defined, in any file of the project.", before_text=True),
    Command("go.buffer", "screen", "go_to('buffer')", "ctrl+l", "Go to buffer…",
            "Shows one of the open buffers; Enter at once, the one before.", before_text=True),
    Command("go.back", "screen", "go_to('back')", "alt+apostrophe", "Go back",
            "Returns to where one was before a jump.", before_text=True),
    Command("go.start", "editor", "go_to_edge(False)", "ctrl+home", "Start of the text", "Goes to the first line."),
    Command("go.end", "editor", "go_to_edge(True)", "ctrl+end", "End of the text", "Goes to the last line."),
    Command("find.open", "screen", "find", "ctrl+f", "Find…", "Finds text; Enter goes to the next match.",
            before_text=True),
    Command("find.replace", "screen", "replace", "ctrl+r", "Replace…", "Finds text and replaces it.",
            before_text=True),
    Command("find.next", "screen", "find_step(1)", "f3", "Next match", "Goes to the next match.", before_text=True),
    Command("find.previous", "screen", "find_step(-1)", "shift+f3", "Previous match", "Goes to the match before.",
            before_text=True),
    Command("find.project", "screen", "go_to('hit')", "alt+slash", "Find in the project…",
            "Finds text in all files of the project; Enter goes to a line.", before_text=True),
    Command("find.regex", "find", "toggle_regex", "alt+x", "Find a regular expression, or text",
            "Takes what is looked for as a regular expression, or as it stands.", "Regex"),
    Command("find.replace_all", "find", "replace_all", "alt+r", "Replace all",
            "Replaces all matches, as one step of undo.", "Replace all"),
    Command("go.bracket", "editor", "go_to_bracket", "ctrl+right_square_bracket,alt+i", "Matching bracket",
            "Goes from a bracket, or the next one in the line, to the one that belongs to it.", before_text=True),
    Command("go.line", "screen", "go_to('line')", "ctrl+g", "Go to line…", "Goes to a line, or to line:column.",
            before_text=True),
    Command("view.wrap", "screen", "toggle_wrap", "alt+z", "Wrap long lines", "Shows long lines on several rows.",
            before_text=True),
    Command("view.tree", "screen", "tree", "alt+t", "Tree of files",
            "Shows the project's files beside the text, or goes there; from there, hides them.", before_text=True),
    Command("view.language", "screen", "choose_language", "alt+g", "Language…",
            "Says in which language the buffer is; by itself that goes by its name, or by its text.", before_text=True),
    Command("edit.copy", "screen", "copy", "ctrl+c", "Copy",
            "Copies the selection; else the suggestion, shown or just taken; else the buffer.", "Copy",
            before_text=True),
    Command("models.open", "screen", "models", "f2", "Models…", "Which models there are, and how to get one.",
            "Models"),
    Command("models.adapter", "screen", "toggle_adapter", "alt+l", "LoRA adapter on or off",
            "Puts an adapter on top of the model, or takes it off; asks for its file the first time.",
            before_text=True),
    Command("completion.copy", "screen", "copy_completion", "alt+c", "Copy the completion",
            "Copies the last completion and nothing else.", before_text=True),
    Command("edit.copy_all", "screen", "copy_all", "alt+a", "Copy the buffer", "Copies the whole text.",
            before_text=True),
    Command("app.palette", "app", "command_palette", "alt+e", "Commands…", "Runs a command by its name.",
            before_text=True),
    Command("app.settings", "app", "settings", "f10,alt+comma", "Settings…", "Shows all settings and changes them."),
    Command("app.help", "app", "help", "f1,alt+h", "Help", "Shows what can be done here, and by which keys.", "Help",
            before_text=True, moments=("text", "suggestion")),
    Command("app.quit", "app", "quit", "ctrl+q", "Quit", "Ends the app; asks when something is unsaved.", "Quit",
            before_text=True),
)  # fmt: skip


COMMANDS_BY_ID = {command.id: command for command in COMMANDS}


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


def keys_of(command: Command, keymap: Mapping[str, str]) -> str:
    """A command's keys as a user has set them, as people write them."""
    keys = keymap.get(command.id, command.keys)
    if not keys:
        return command.key_display
    named = (key.strip() for key in keys.split(",") if key.strip() != "ctrl+@")
    return " ".join(_SHORT.get(key, key.replace("ctrl+", "^")) for key in named)


def check_keymap(keymap: Mapping[str, str]) -> None:
    """Raises LocalcoderError (exit code 2) for a key that is given to a command which does not exist."""
    for id in keymap:
        if id not in COMMANDS_BY_ID:
            near = difflib.get_close_matches(id, COMMANDS_BY_ID, 1)
            todo = f"Did you mean `{near[0]}`?" if near else "The settings in the app (F10) list them."
            raise LocalcoderError(f"keys: there is no command `{id}`.", todo, exit_code=2)


_SHORT = {
    "alt+right_square_bracket": "alt+]",
    "alt+left_square_bracket": "alt+[",
    "ctrl+slash": "^/",
    "ctrl+underscore": "",
    "ctrl+pagedown": "^pgdn",
    "ctrl+pageup": "^pgup",
    "alt+comma": "alt+,",
    "alt+full_stop": "alt+.",
    "alt+slash": "alt+/",
    "alt+apostrophe": "alt+'",
    "ctrl+right_square_bracket": "^]",
}
