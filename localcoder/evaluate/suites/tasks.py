"""One task of a suite: a hole, and what tells whether a text fills it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from localcoder.code.languages import Language
from localcoder.evaluate.holes import Hole

Way = Literal["assertions", "unit tests", "match"]
"""How a text is scored: the program with it in its place runs without an exception; it prints what unit tests want; it
is the same call as what stood there.
"""
Rule = Literal["none", "block", "control", "api"]
"""Where a suite's own program cuts off what a model says."""


@dataclass(frozen=True)
class UnitTest:
    """What a program reads, and the texts one of which it has to print."""

    input: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class SuiteTask:
    """`before` and `after` are the program around the text that fills the hole; `digest` is one of all of the task."""

    id: str
    way: Way
    rule: Rule
    language: Language
    before: str
    after: str
    truth: str
    digest: str
    tests: tuple[UnitTest, ...] = ()

    def program(self, text: str) -> str:
        return self.before + text + self.after

    @property
    def is_run(self) -> bool:
        """Whether a program has to run to score it."""
        return self.way != "match"

    @property
    def is_scored(self) -> bool:
        """Whether it can be scored here: of programs, those in Python."""
        return not self.is_run or self.language.name == "python"


@dataclass(frozen=True)
class Suite:
    """`holes` in the order in which they are to be taken, `tasks` by their keys.

    `max_tokens` is how long a model's text may become before it is cut by the suite's own rule.
    """

    name: str
    holes: tuple[Hole, ...]
    tasks: Mapping[str, SuiteTask]
    max_tokens: int

    @property
    def unscored(self) -> Counter[str]:
        """The languages of tasks that cannot be scored here, with how many there are."""
        return Counter(task.language.label for task in self.tasks.values() if not task.is_scored)
