"""Which actions there are, and which of them a model can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localcoder.actions.asking import Plan, Task
from localcoder.actions.change import change, fix
from localcoder.actions.chat import follows_instructions
from localcoder.actions.docstring import docstring
from localcoder.actions.explain import explain
from localcoder.actions.fill import fill
from localcoder.actions.prompt import FIM, ISSUE, NOTEBOOK, PULL_REQUEST, REPOSITORY
from localcoder.actions.type_hints import type_hints
from localcoder.actions.unit_tests import tests
from localcoder.engine.api import ModelInfo
from localcoder.errors import LocalcoderError


@dataclass(frozen=True)
class Action:
    """`tokens` are the control tokens of its format, which a model has to have that is asked in it."""

    name: str
    label: str
    help: str
    plan: Callable[[Task], Plan]
    tokens: tuple[str, ...]
    question: str = ""
    """What is to be asked for first; "" where the code says all."""


_DISCUSSED = (*PULL_REQUEST, *ISSUE)
ACTIONS: tuple[Action, ...] = (
    Action("docstring", "Write documentation", "Documents functions and classes that are not.", docstring, FIM),
    Action("types", "Add type hints", "Writes the types that parameters and returns lack.", type_hints, FIM),
    Action("fill", "Fill what is left open", "Writes bodies that are `pass`, `...` or marked TODO.", fill, FIM),
    Action("tests", "Write tests", "Writes tests of a function, a class or a file.", tests, REPOSITORY),
    Action("explain", "Explain", "Says what the code does.", explain, NOTEBOOK),
    Action("change", "Change…", "Changes lines as you say.", change, _DISCUSSED, "What is to be changed?"),
    Action("fix", "Fix…", "Changes what a finding is about.", fix, _DISCUSSED, "What is wrong here?"),
)
ACTIONS_BY_NAME = {action.name: action for action in ACTIONS}


def offered(model: ModelInfo) -> tuple[Action, ...]:
    """What the model can do, by the control tokens of its vocabulary."""
    return tuple(action for action in ACTIONS if can(model, action))


def can(model: ModelInfo, action: Action) -> bool:
    return follows_instructions(model) or set(action.tokens) <= {name for name, _ in model.control}


def require(model: ModelInfo, action: Action) -> None:
    """Raises LocalcoderError (exit code 2) where the model cannot do it."""
    if not can(model, action):
        able = ", ".join(each.name for each in offered(model)) or "nothing but complete code"
        raise LocalcoderError(
            f"{model.name} cannot {action.name}: its vocabulary lacks the tokens of that format.",
            f"It can: {able}. A StarCoder2 can do all.",
            exit_code=2,
        )
