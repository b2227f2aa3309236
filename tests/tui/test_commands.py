"""The table of commands, and the keys of screens and widgets beside it."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

from textual.binding import Binding
from textual.dom import DOMNode

import localcoder.tui
from localcoder.tui.commands import COMMANDS


def _twice(keys: list[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _kinds(of: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


def test_no_key_has_two_commands() -> None:
    # Scopes stand within one another: a key of an inner one would hide that of an outer one.
    assert not _twice([key for command in COMMANDS for key in command.keys.split(",") if key])


def test_no_screen_and_no_widget_gives_a_key_two_meanings() -> None:
    for module in pkgutil.walk_packages(localcoder.tui.__path__, "localcoder.tui."):
        importlib.import_module(module.name)
    own = [kind for kind in _kinds(DOMNode) if kind.__module__.startswith("localcoder.") and "BINDINGS" in vars(kind)]
    assert own
    for kind in own:
        keys = [binding.key for binding in Binding.make_bindings(vars(kind)["BINDINGS"])]
        assert not _twice(keys), kind
