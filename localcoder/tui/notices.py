"""Notices that several screens show alike."""

from __future__ import annotations

from textual.dom import DOMNode

from localcoder.errors import LocalcoderError

_ERROR_S = 15
"""Long enough to read two lines twice."""


def show_error(node: DOMNode, error: LocalcoderError) -> None:
    """What went wrong, and what to do about it."""
    node.app.notify(f"{error.what}\n{error.todo}".strip(), severity="error", timeout=_ERROR_S, markup=False)
