"""The pipeline: document → window → layout → engine → stopping → trim → completion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from localcoder.completion.document import Document
from localcoder.completion.layout import LayoutName, fim_prompt
from localcoder.completion.stopping import Mode, Stopper
from localcoder.completion.trim import trim
from localcoder.completion.window import CHARACTERS_PER_TOKEN, choose_window
from localcoder.engine.api import Engine, Finished, ModelInfo, Progress, Request, Sampling, Stats, Token

DEFAULT_PROMPT_TOKENS = 2048
_CONTROL_TOKENS = 3
_SHRINK = 0.9


@dataclass(frozen=True)
class Options:
    """How a completion is made. `max_prompt_tokens` bounds what is read; less is read when the context is smaller."""

    layout: LayoutName = "spm"
    mode: Mode = "block"
    max_tokens: int = 96
    max_prompt_tokens: int = DEFAULT_PROMPT_TOKENS
    sampling: Sampling = field(default_factory=Sampling)
    logprobs: bool = False
    time_budget_s: float | None = None


@dataclass(frozen=True)
class TextDelta:
    """More text at the cursor that is sure to be part of the completion."""

    text: str


@dataclass(frozen=True)
class Completion:
    """The last update. `text` is the whole completion; `tokens` what was generated, before any trimming.

    `reason` is the engine's (end, length, cancelled, time) or the text's (line, block, bracket, loop).
    """

    text: str
    reason: str
    stats: Stats
    model: str
    prompt_ids: tuple[int, ...]
    tokens: tuple[Token, ...]


Update = Progress | TextDelta | Completion


async def complete(document: Document, engine: Engine, options: Options | None = None) -> AsyncIterator[Update]:
    """Progress while the prompt is read, text as it becomes certain, and the Completion at the end.

    Closing the iterator cancels the request. Raises LocalcoderError when the engine cannot serve it.
    """
    options = options or Options()
    model = await engine.info()
    ids = await build_prompt(document, engine, model, options)
    request = Request(
        ids=ids,
        max_tokens=options.max_tokens,
        sampling=options.sampling,
        logprobs=options.logprobs,
        time_budget_s=options.time_budget_s,
    )
    stopper = Stopper(options.mode, document.prefix, document.suffix)
    text, shown, tokens = "", "", []
    finished: Finished | None = None
    async with aclosing(engine.generate(request)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, Finished):
                finished = event
            elif stopper.reason is None:
                text += event.text
                tokens.append(event)
                if stopper.feed(text):
                    # The engine ends at once and says what it did; the rest of its tokens is not wanted.
                    await engine.cancel()
                    continue
                sure = trim(text[: stopper.sure], document.suffix, final=False)
                if len(sure) > len(shown):
                    yield TextDelta(sure[len(shown) :])
                    shown = sure
    assert finished is not None
    whole = text if stopper.reason is None else text[: stopper.cut]
    whole = trim(whole, document.suffix, final=True)
    if len(whole) > len(shown):
        yield TextDelta(whole[len(shown) :])
    yield Completion(
        text=whole,
        reason=stopper.reason or finished.reason,
        stats=finished.stats,
        model=model.name,
        prompt_ids=ids,
        tokens=tuple(tokens),
    )


async def build_prompt(document: Document, engine: Engine, model: ModelInfo, options: Options) -> tuple[int, ...]:
    """The ids to read for a completion at the cursor: at most `max_prompt_tokens`, and what the context holds."""
    budget = min(options.max_prompt_tokens, model.n_ctx_train - options.max_tokens)
    characters = int(budget * CHARACTERS_PER_TOKEN)
    while True:
        window = choose_window(document, characters)
        prefix, suffix = await engine.tokenize([window.prefix, window.suffix])
        excess = (len(prefix) + len(suffix) + _CONTROL_TOKENS) / budget
        if excess <= 1 or characters <= 1:
            return fim_prompt(options.layout, prefix, suffix, model.special)
        characters = int(characters / excess * _SHRINK)
