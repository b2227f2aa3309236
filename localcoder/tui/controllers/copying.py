"""Which text a copy takes, and what it is called."""

from __future__ import annotations

from localcoder.tui.controllers.completing import Completing
from localcoder.tui.widgets.editor import Editor

Copied = tuple[str, str]
"""What the text is, as words that follow "Copied", and the text."""


def what_is_meant(editor: Editor, completing: Completing) -> Copied:
    """The selection; without one the suggestion, be it shown or just taken; without that the whole text."""
    if editor.selected_text:
        return "the selection", editor.selected_text
    if editor.ghost and editor.ghost.text:
        return "the suggestion", editor.ghost.text
    return _just_taken(editor, completing) or whole(editor)


def whole(editor: Editor) -> Copied:
    return "the buffer", editor.text


def completion(completing: Completing) -> Copied | None:
    """The last completion, wherever the cursor is by now; None when there was none."""
    return ("the completion", completing.last.text) if completing.last else None


def _just_taken(editor: Editor, completing: Completing) -> Copied | None:
    """The completion, if it stands whole at the cursor."""
    last, document = completing.last, completing.last_document
    if last is None or document is None:
        return None
    taken = document.text[: document.cursor] + editor.document.normalised(last.text)
    place = editor.document.index_of(editor.cursor_location)
    return ("the completion", last.text) if editor.text[:place] == taken else None
