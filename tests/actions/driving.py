"""Running actions on answers that stand in for a model's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcoder.actions.asking import Ask, Outcome, Task
from localcoder.actions.prompt import Prompt, Special
from localcoder.actions.table import ACTIONS_BY_NAME
from localcoder.actions.watch import Answer
from localcoder.code.languages import by_name
from localcoder.completion.document import Document
from localcoder.completion.edits import Range


@dataclass(frozen=True)
class Ran:
    outcome: Outcome
    asks: tuple[Ask, ...]

    @property
    def after(self) -> str:
        return self.outcome.after


def make_task(
    text: str,
    at: str | Range | None = None,
    *,
    language: str = "python",
    path: Path | None = None,
    instruction: str = "",
    follows_instructions: bool = False,
) -> Task:
    """`at` is text that the cursor stands before, or what is selected."""
    selection = Range(text.index(at), text.index(at)) if isinstance(at, str) else at
    return Task(
        Document(text, 0, path),
        by_name(language),
        selection,
        instruction,
        follows_instructions=follows_instructions,
    )


def run(action: str, task: Task, *answers: str, ended: bool = True) -> Ran:
    """Each answer comes in small pieces; the last one is given again and again. `ended`: the model ends them."""
    plan = ACTIONS_BY_NAME[action].plan(task)
    asks: list[Ask] = []
    answer: Answer | None = None
    while True:
        try:
            ask = next(plan) if answer is None else plan.send(answer)
        except StopIteration as stop:
            return Ran(stop.value, tuple(asks))
        asks.append(ask)
        answer = say(ask, answers[min(len(asks), len(answers)) - 1], ended=ended)


def say(ask: Ask, text: str, *, ended: bool = True, size: int = 3) -> Answer:
    watch = ask.watch()
    for start in range(0, len(text), size):
        watch.feed(text[start : start + size])
        ask.so_far(watch.text).after  # noqa: B018 (what is shown while it comes can be applied)
        if watch.is_over:
            break
    return watch.finish(ended=ended)


def shown(prompt: Prompt) -> str:
    return "".join(part.name if isinstance(part, Special) else part for part in prompt)


def lines(text: str) -> Iterable[str]:
    return text.splitlines(keepends=True)
