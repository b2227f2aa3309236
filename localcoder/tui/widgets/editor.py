"""The editor: a ghost area that takes keys, with what a programmer expects to be typed along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.document._document import EditResult, Selection
from textual.document._edit import Edit
from textual.geometry import Offset
from textual.message import Message

from localcoder.code.brackets import CLOSING, OPENING
from localcoder.code.languages import Language, language_of
from localcoder.code.partners import partner_of
from localcoder.completion.document import Document
from localcoder.tui import clipboard
from localcoder.tui.commands import bindings
from localcoder.tui.text import line_moves, typing_aids
from localcoder.tui.text.ghost import Fate, Ghost
from localcoder.tui.text.line_moves import Rearranged
from localcoder.tui.text.lines import Rewrite, difference, newline_of, row_after
from localcoder.tui.text.typing_aids import Typed
from localcoder.tui.text.words import is_inside_word
from localcoder.tui.widgets.ghost_area import GhostArea

_BRACKETS = (*OPENING, *CLOSING)
_GHOST_ACTIONS = frozenset({"accept_ghost", "accept_ghost_word", "accept_ghost_line", "dismiss_ghost"})


class Editor(GhostArea):
    """Edits one file's text."""

    @dataclass
    class Edited(Message):
        """The text changed. `followed_ghost`: by typing what the ghost says, or by accepting some of it. `is_undo`: to
        what it was, or back."""

        editor: Editor
        followed_ghost: bool
        is_undo: bool = False

        @property
        def control(self) -> Editor:
            return self.editor

    @dataclass
    class Loaded(Message):
        """Another text stands in place of the one that was edited here."""

        editor: Editor

        @property
        def control(self) -> Editor:
            return self.editor

    @dataclass
    class GhostGone(Message):
        """The ghost was dismissed: by Escape, by a moved cursor, or by an edit that it did not foresee."""

        editor: Editor

        @property
        def control(self) -> Editor:
            return self.editor

    @dataclass
    class Pasted(Message):
        """Text came from the clipboard, all at once."""

        editor: Editor

        @property
        def control(self) -> Editor:
            return self.editor

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("editor"))

    def __init__(self, text: str = "", *, path: Path | None = None, id: str | None = None) -> None:
        self._following_ghost = False
        self._is_loading = False
        first_line = text[:200].partition("\n")[0]
        super().__init__(text, language_known=language_of(path, first_line), id=id)
        self.path = path
        self.closes_brackets = True
        self._width_wanted = self.indent_width
        self._take_over_indentation()

    def indent_by(self, width: int) -> None:
        """Columns of a tab, and of a step where neither the text nor its language has one of its own."""
        self._width_wanted = width
        self._take_over_indentation()

    def set_language(self, language: Language) -> None:
        super().set_language(language)
        self._take_over_indentation()

    def _take_over_indentation(self) -> None:
        default = self.known_language.step or " " * self._width_wanted
        self._unit = typing_aids.indent_unit(self.document.lines, default)
        self.indent_type = "tabs" if self._unit == "\t" else "spaces"
        self.indent_width = self._width_wanted if self._unit == "\t" else len(self._unit)

    def load(self, text: str) -> None:
        """Another text in place of this one, byte for byte, as one step of undo.

        The cursor stays with its text, and on its row of the screen.
        """
        self.put_ghost(None)
        newline = newline_of(text)
        selection, height = self.selection, self._cursor_offset[1] - self.scroll_offset.y
        lines = list(self.document.lines)
        self.history.checkpoint()
        self._is_loading = True
        try:
            if newline == self.document.newline:
                start, end, changed = difference(self.document.text, text)
                place = self.document.location_of(start), self.document.location_of(end)
                super().edit(Edit(changed, *place, False))
            else:
                super().edit(Rewrite(text, self.document.start, self.document.end, False, newline))
            after = self.document.lines
            self.selection = Selection(*((row_after(lines, after, row), column) for row, column in selection))
            self._recompute_cursor_offset()
        finally:
            self._is_loading = False
        self.history.checkpoint()
        if self.is_mounted:
            self.scroll_to(y=self._cursor_offset[1] - height, animate=False, force=True, immediate=True)
        self.post_message(self.Loaded(self))

    def scroll_cursor_visible(self, center: bool = False, animate: bool = False) -> Offset:
        return Offset() if self._is_loading else super().scroll_cursor_visible(center, animate)

    def snapshot(self) -> Document:
        """The text and the cursor as they are now."""
        return Document(self.document.text, self.document.index_of(self.cursor_location), self.path)

    # --- Editing

    def edit(self, edit: Edit) -> EditResult:
        edit.text = self.document.normalised(edit.text)
        # While the text changes under it, the ghost's location means nothing.
        before, self._ghost = self._ghost, None
        result = super().edit(edit)
        self._ghost = before
        after = None
        if before and edit.text and edit.top == edit.bottom == before.location:
            after = before.eaten(edit.text.replace(self.document.newline, "\n"), result.end_location)
        self.put_ghost(after)
        self.post_message(self.Edited(self, followed_ghost=after is not None or self._following_ghost))
        return result

    def undo(self) -> None:
        self.clear_ghost()
        super().undo()
        self.post_message(self.Edited(self, followed_ghost=False, is_undo=True))

    def redo(self) -> None:
        self.clear_ghost()
        super().redo()
        self.post_message(self.Edited(self, followed_ghost=False, is_undo=True))

    def change_lines(self, first: int, last: int, change: Callable[[Sequence[str]], list[str]]) -> None:
        """Replace whole lines, as one step of undo; the selection stays on the same lines."""
        before = self.document.lines[first : last + 1]
        after = change(before)
        if after == before:
            return
        start, end = self.selection
        self.history.checkpoint()
        joined = self.document.newline.join(after)
        self.edit(Edit(joined, (first, 0), (last, len(before[-1])), maintain_selection_offset=False))

        def moved(row: int, column: int) -> tuple[int, int]:
            if not first <= row <= last:
                return row, column
            # Columns are counted from the line's end, which changes of its beginning leave alone.
            from_end = len(before[row - first]) - column
            return row, max(len(after[row - first]) - from_end, 0)

        self.selection = Selection(moved(*start), moved(*end))
        self.history.checkpoint()

    def _rearrange(self, change: Rearranged | None) -> None:
        """Replace whole lines by others, as one step of undo."""
        if change is None:
            return
        lines, (start, end) = self.document.lines, self.selection
        self.history.checkpoint()
        text = self.document.newline.join(change.lines)
        self.edit(Edit(text, (change.first, 0), (change.last, len(lines[change.last])), False))
        self.selection = Selection(
            *(self.clamp_visitable((max(row + change.by, 0), column)) for row, column in (start, end))
        )
        self.history.checkpoint()

    @property
    def selected_rows(self) -> tuple[int, int]:
        """First and last line that the selection touches; a line that it only begins does not count."""
        top, bottom = sorted(self.selection)
        return top[0], max(bottom[0] - (bottom[1] == 0 and bottom[0] > top[0]), top[0])

    def action_toggle_comment(self) -> None:
        """Comment the selected lines out, or in again."""
        first, last = self.selected_rows
        self.change_lines(first, last, lambda lines: typing_aids.toggle_comment(lines, self.known_language))

    def action_duplicate_lines(self) -> None:
        """The selected lines once more, below."""
        self._rearrange(line_moves.doubled(self.document.lines, *self.selected_rows))

    def action_move_lines(self, by: int) -> None:
        """The selected lines change places with the one above (-1) or below (1)."""
        self._rearrange(line_moves.moved(self.document.lines, *self.selected_rows, by))

    def action_delete_line(self) -> None:
        """Delete the selected lines; the cursor goes to the next one."""
        change = line_moves.deleted(self.document.lines, *self.selected_rows)
        self.selection = Selection.cursor(self.cursor_location if self.selection.is_empty else min(self.selection))
        self._rearrange(change)

    def action_go_to_bracket(self) -> None:
        """From a bracket, or the next one in the line, to the one that belongs to it."""
        row, column = self.cursor_location
        line = self.document[row]
        before = column - 1 if column and line[column : column + 1] not in _BRACKETS else column
        at = next((i for i in range(before, len(line)) if line[i] in _BRACKETS), None)
        if at is None:
            return
        partner = partner_of(self.document.text, self.document.index_of((row, at)), self.known_language)
        if partner is not None:
            self.move_cursor(self.document.location_of(partner))

    def action_indent(self) -> None:
        first, last = self.selected_rows
        self.change_lines(first, last, lambda lines: [self._unit + line if line.strip() else line for line in lines])

    def action_dedent(self) -> None:
        def without(line: str) -> str:
            if line.startswith("\t"):
                return line[1:]
            depth = len(line) - len(line.lstrip(" "))
            return line[min(depth, len(self._unit.expandtabs(self.indent_width))) :]

        first, last = self.selected_rows
        self.change_lines(first, last, lambda lines: [without(line) for line in lines])

    async def _on_key(self, event: events.Key) -> None:
        if self.read_only:
            return
        if event.key == "escape":
            # Textual would move the focus away.
            event.prevent_default()
        elif event.key == "enter":
            self._handled(event)
            before, after = self._around_cursor()
            self._type(typing_aids.new_line(before, after, self._unit, self.known_language))
        elif event.key == "tab" and not self.selection.is_empty:
            self._handled(event)
            self.action_indent()
        elif event.key == "shift+tab":
            self._handled(event)
            self.action_dedent()
        elif event.is_printable and event.character and self.closes_brackets and self.selection.is_empty:
            ghost = self._ghost.text if self._ghost else ""
            before, after = self._around_cursor()
            typed = typing_aids.character(event.character, before, after, self.known_language)
            if typed != Typed(event.character) and not ghost.startswith(event.character):
                self._handled(event)
                self._type(typed)

    def _handled(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()

    def _around_cursor(self) -> tuple[str, str]:
        top, bottom = sorted(self.selection)
        return self.document[top[0]][: top[1]], self.document[bottom[0]][bottom[1] :]

    def _type(self, typed: Typed) -> None:
        if typed.text:
            self._replace_via_keyboard(typed.text, *self.selection)
        if typed == typing_aids.STEP_OVER:
            # What is typed behind the bracket is no part of what was typed within.
            self.history.checkpoint()
        if typed.back:
            place = self.document.index_of(self.cursor_location) - typed.back
            self.selection = Selection.cursor(self.document.location_of(place))

    def action_delete_left(self) -> None:
        before, after = self._around_cursor()
        if self.closes_brackets and self.selection.is_empty and typing_aids.is_empty_pair(before, after):
            row, column = self.cursor_location
            self._delete_via_keyboard((row, column - 1), (row, column + 1))
        else:
            super().action_delete_left()

    def action_paste(self) -> None:
        """Insert what was copied last, here or in another program."""
        text = clipboard.paste() or self.app.clipboard
        if text and (result := self._replace_via_keyboard(text, *self.selection)):
            self.move_cursor(result.end_location)
            self.post_message(self.Pasted(self))

    def action_go_to_edge(self, is_end: bool) -> None:
        self.move_cursor(self.document.end if is_end else self.document.start)

    async def _on_paste(self, event: events.Paste) -> None:
        self.call_later(lambda: self.post_message(self.Pasted(self)))

    @property
    def is_inside_word(self) -> bool:
        """Whether the cursor stands between two characters of one name."""
        return is_inside_word(*self._around_cursor())

    # --- The ghost

    def show_ghost(
        self, text: str, *, is_growing: bool = False, fate: Fate | None = None, is_unsure: bool = False
    ) -> None:
        """Suggest `text` at the cursor; `fate` is told what becomes of it."""
        place = self.cursor_location
        self.put_ghost(Ghost(text.replace("\r\n", "\n"), place, is_growing, fate=fate, is_unsure=is_unsure))

    def grow_ghost(self, more: str) -> None:
        """Append to the ghost, wherever typing has moved it."""
        if self._ghost:
            self.put_ghost(self._ghost.grown(more.replace("\r\n", "\n")))

    def finish_ghost(self) -> None:
        """No more will come; a ghost that was typed away ends."""
        if self._ghost:
            self.put_ghost(replace(self._ghost, is_growing=False) if self._ghost.text else None)

    def clear_ghost(self) -> None:
        if self._ghost:
            self.put_ghost(None)
            self.post_message(self.GhostGone(self))

    def action_accept_ghost(self) -> None:
        """Take the whole ghost into the text, as one step of undo."""
        self._accept(self._ghost.text if self._ghost else "")

    def action_accept_ghost_word(self) -> None:
        self._accept(self._ghost.next_word() if self._ghost else "")

    def action_accept_ghost_line(self) -> None:
        self._accept(self._ghost.next_line() if self._ghost else "")

    def action_dismiss_ghost(self) -> None:
        self.clear_ghost()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _GHOST_ACTIONS:
            return self._ghost is not None and bool(self._ghost.text)
        return super().check_action(action, parameters)

    def _accept(self, text: str) -> None:
        if not text:
            return
        self.history.checkpoint()
        self._following_ghost = True
        try:
            place = self.cursor_location
            if self._ghost and self._ghost.fate:
                self._ghost.fate.taken(text, self.document.index_of(place))
            result = self.edit(Edit(text, place, place, maintain_selection_offset=False))
        finally:
            self._following_ghost = False
        self.move_cursor(result.end_location)

    def _watch_selection(self, previous_selection: Selection, selection: Selection) -> None:
        super()._watch_selection(previous_selection, selection)
        if self._ghost and selection != Selection.cursor(self._ghost.location):
            self.clear_ghost()
