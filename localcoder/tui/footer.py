"""What the footer offers: what can be done with what one has just now, and no more than is read at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from textual.binding import ActiveBinding, Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from localcoder.tui.commands import COMMANDS_BY_ID
from localcoder.tui.widgets.editor import Editor


def for_the_moment(active: Mapping[str, ActiveBinding], screen: Screen[None]) -> dict[str, ActiveBinding]:
    """The bindings, with those hidden that are for another moment.

    There are three: a suggestion is shown, another bar has the focus, or neither.
    """
    focused = screen.focused
    has_ghost = isinstance(focused, Editor) and focused.ghost is not None and bool(focused.ghost.text)

    def is_for_now(node: DOMNode, binding: Binding) -> bool:
        command = COMMANDS_BY_ID.get(binding.id or "")
        if focused is not None and not isinstance(focused, Editor):
            return isinstance(node, Widget) and not isinstance(node, Screen)
        return command is not None and ("suggestion" if has_ghost else "text") in command.moments

    return {
        key: each if is_for_now(each.node, each.binding) else each._replace(binding=replace(each.binding, show=False))
        for key, each in active.items()
    }
