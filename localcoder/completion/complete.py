"""The pipeline: document → window → layout → engine → stopping → trim → completion."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from localcoder.completion.document import Document
from localcoder.completion.layout import LayoutName
from localcoder.completion.session import Limits, Session
from localcoder.completion.stopping import Mode, Stopper
from localcoder.completion.trim import trim
from localcoder.engine.api import Engine, Finished, ModelInfo, Progress, Request, Sampling, Stats, Token

DEFAULT_PROMPT_TOKENS = 2304
_NEVER = -1e9


@dataclass(frozen=True)
class Options:
    """How a completion is made. `max_prompt_tokens` bounds what is read; less is read when the context is smaller.

    `first_token_s` bounds the wait for the first token: what cannot be read in that time is read in the background
    afterwards. None reads everything first.
    """

    layout: LayoutName = "spm"
    mode: Mode = "block"
    max_tokens: int = 96
    max_prompt_tokens: int = DEFAULT_PROMPT_TOKENS
    sampling: Sampling = field(default_factory=Sampling)
    logprobs: bool = False
    first_token_s: float | None = None
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


async def complete(
    document: Document, engine: Engine, options: Options | None = None, session: Session | None = None
) -> AsyncGenerator[Update, None]:
    """Progress while the prompt is read, text as it becomes certain, and the Completion at the end.

    A `session` makes the prompts of one buffer grow only at their end, and reads ahead after the completion. Closing
    the iterator cancels the request. Raises LocalcoderError when the engine cannot serve it.
    """
    options, session = options or Options(), session or Session()
    model = await engine.info()
    plan = await session.plan(document, engine, model, options.layout, _limits(options))
    request = Request(
        ids=plan.ids,
        forced=plan.forced,
        max_tokens=min(options.max_tokens, max(1, model.n_ctx_train - len(plan.ids))),
        sampling=_without_redactions(options.sampling, model),
        logprobs=options.logprobs,
        time_budget_s=options.time_budget_s,
    )
    stopper = Stopper(options.mode, document.prefix, document.suffix)
    text, shown, tokens = "", "", []
    finished: Finished | None = None
    async with aclosing(engine.generate(request)) as events:
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
                    await engine.cancel(request)
                    continue
                sure = trim(text[: stopper.sure], document.suffix, final=False)
                if len(sure) > len(shown):
                    yield TextDelta(sure[len(shown) :])
                    shown = sure
    assert finished is not None
    if plan.later is not None and (stopper.reason or finished.reason != "cancelled"):
        session.read_ahead(engine, plan.later)
    whole = text if stopper.reason is None else text[: stopper.cut]
    whole = trim(whole, document.suffix, final=True)
    if len(whole) > len(shown):
        yield TextDelta(whole[len(shown) :])
    yield Completion(
        text=whole,
        reason=stopper.reason or finished.reason,
        stats=finished.stats,
        model=model.name,
        prompt_ids=plan.ids,
        tokens=tuple(tokens),
    )


async def read_ahead(document: Document, engine: Engine, options: Options, session: Session) -> None:
    """Begin to read the prompt of a completion that nobody has asked for yet."""
    model = await engine.info()
    plan = await session.plan(document, engine, model, options.layout, _limits(options))
    session.read_ahead(engine, plan.later or plan.ids)


def _without_redactions(sampling: Sampling, model: ModelInfo) -> Sampling:
    """`<NAME>` and the like are where the training text was redacted: they are never what should stand in code."""
    biased = {token for token, _ in sampling.logit_bias}
    never = tuple((token, _NEVER) for token in model.redaction_ids if token not in biased)
    return replace(sampling, logit_bias=(*sampling.logit_bias, *never))


def _limits(options: Options) -> Limits:
    return Limits(options.max_prompt_tokens, options.max_tokens, options.first_token_s)
