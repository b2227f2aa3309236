"""The first minute: from one place of the sample to the next, as suggestions are taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from textual.dom import DOMNode

from localcoder.tui.widgets.editor import Editor

_LOOK_S = 1.2
"""Between a suggestion that was taken and the next place: what was taken is to be seen. Chosen."""


class Tour:
    """`places` are known by the text behind each of them, which nobody has changed while one goes from top to bottom.

    Whoever types something else there has begun to work: nothing moves any more.
    """

    def __init__(self, owner: DOMNode, places: Sequence[str], ask: Callable[[Editor], None]) -> None:
        self._owner = owner
        self._places = deque(places)
        self._ask = ask
        self.is_new = bool(places)
        """Nothing was said yet about models to get."""

    @property
    def is_on(self) -> bool:
        """Whether there is a place to go to."""
        return bool(self._places)

    def begin(self, editor: Editor) -> None:
        """Go to the first place and ask for a suggestion there."""
        self._to_next(editor)

    def edited(self, event: Editor.Edited) -> None:
        """Some of a suggestion was taken, or something was typed."""
        editor = event.editor
        if event.is_undo or not self._places:
            return
        if not event.followed_ghost:
            self._places.clear()
        elif editor.ghost is None:
            taken = editor.document.text
            self._owner.set_timer(_LOOK_S, lambda: self._go_on(editor, taken))

    def _go_on(self, editor: Editor, taken: str) -> None:
        if editor.has_focus and editor.document.text == taken:
            self._to_next(editor)

    def _to_next(self, editor: Editor) -> None:
        if not self._places:
            return
        behind, text = self._places.popleft(), editor.document.text
        if text.endswith(behind):
            editor.move_cursor(editor.document.location_of(len(text) - len(behind)), center=True)
            self._ask(editor)
