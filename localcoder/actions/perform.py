"""Run an action with an engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from localcoder.actions.asking import Ask, Outcome, Task
from localcoder.actions.chat import follows_instructions
from localcoder.actions.newlines import Newlines
from localcoder.actions.prompt import characters_for, ids_of
from localcoder.actions.table import Action, require
from localcoder.actions.watch import Answer
from localcoder.completion.complete import DEFAULT_PROMPT_TOKENS, without_redactions
from localcoder.completion.sendable import is_among, sendable
from localcoder.engine.api import Engine, Finished, ModelInfo, ReadProgress, Request, Sampling, Token
from localcoder.errors import LocalcoderError


@dataclass(frozen=True)
class ActionOptions:
    """How answers are generated. `max_tokens` bounds each of them, where it is given."""

    sampling: Sampling = field(default_factory=Sampling)
    max_prompt_tokens: int = DEFAULT_PROMPT_TOKENS
    max_tokens: int | None = None
    never_sent: tuple[str, ...] = ()
    """Files that no other machine may see, as `sendable` reads them."""


@dataclass(frozen=True)
class Reading:
    """A prompt is read, for `what`."""

    what: str
    progress: ReadProgress


@dataclass(frozen=True)
class Writing:
    """An answer comes; `so_far` is what has changed if it ends here."""

    what: str
    so_far: Outcome


@dataclass(frozen=True)
class Done:
    """The last update."""

    outcome: Outcome
    model: str
    tokens_read: int
    tokens_generated: int


Update = Reading | Writing | Done


async def perform(
    action: Action, task: Task, engine: Engine, options: ActionOptions | None = None
) -> AsyncGenerator[Update, None]:
    """Readings and writings by turns, and what was done at the end. Closing the iterator cancels what runs.

    The task's text may have any line ends; the outcome's edits are of that text, with its line ends. Raises
    LocalcoderError where the model cannot do it, where there is nothing to do, and where the engine cannot serve it.
    """
    options = options or ActionOptions()
    model = await engine.info()
    require(model, action)
    task = _sendable(task, model, options)
    source = Newlines(task.text)
    existing = Newlines(task.existing_tests, like=source)
    plan = action.plan(
        replace(
            task,
            document=replace(task.document, text=source.normal, cursor=0),
            selection=None if task.selection is None else source.inward(task.selection),
            existing_tests=existing.normal,
            follows_instructions=follows_instructions(model),
            prompt_characters=characters_for(options.max_prompt_tokens),
        )
    )

    def outward(outcome: Outcome) -> Outcome:
        newlines = source if outcome.path == task.document.path else existing
        edits = tuple(newlines.outward(edit) for edit in outcome.edits)
        return replace(outcome, before=newlines.text, edits=edits)

    read = generated = 0
    answer: Answer | None = None
    while True:
        try:
            ask = next(plan) if answer is None else plan.send(answer)
        except StopIteration as stop:
            yield Done(outward(stop.value), model.name, read, generated)
            return
        updates = _ask(ask, engine, model, options)
        async with aclosing(updates):
            async for update in updates:
                if isinstance(update, ReadProgress):
                    yield Reading(ask.what, update)
                elif isinstance(update, Answer):
                    answer = update
                elif isinstance(update, Finished):
                    read += update.stats.tokens_read
                    generated += update.stats.tokens_generated
                else:
                    yield Writing(ask.what, outward(ask.so_far(update)))


async def _ask(
    ask: Ask, engine: Engine, model: ModelInfo, options: ActionOptions
) -> AsyncGenerator[ReadProgress | str | Finished | Answer, None]:
    """The text as it grows, and the answer."""
    ids = await ids_of(ask.prompt, engine, model)
    room = model.n_ctx_train - len(ids)
    if room <= 0:
        raise LocalcoderError(
            f"That is too long for the model: {len(ids)} tokens, where {model.n_ctx_train} fit.",
            "Choose fewer lines.",
            exit_code=2,
        )
    most = min(ask.max_tokens, options.max_tokens or ask.max_tokens, room)
    request = Request(ids=ids, max_tokens=most, sampling=without_redactions(options.sampling, model))
    watch = ask.watch()
    finished: Finished | None = None
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, ReadProgress):
                yield event
            elif isinstance(event, Finished):
                finished = event
            elif isinstance(event, Token) and not watch.is_over:
                watch.feed(event.text)
                yield watch.text
                if watch.is_over:
                    # The engine ends at once and says what it did.
                    await engine.cancel(request)
    assert finished is not None
    yield finished
    if finished.reason == "cancelled" and not watch.is_over:
        raise LocalcoderError("Another request took its place.", "Try again.")
    yield watch.finish(ended=finished.reason == "end")


def _sendable(task: Task, model: ModelInfo, options: ActionOptions) -> Task:
    """Raises LocalcoderError for a file that may not go to the model's machine; tests that may not stay out."""
    document = sendable(task.document, model.host, options.never_sent)
    path = task.test_path
    if path is not None and model.host and is_among(path.absolute(), options.never_sent):
        raise LocalcoderError(f"{path.name} is never sent to {model.host}.", "Name another file for the tests.")
    return replace(task, document=document)
