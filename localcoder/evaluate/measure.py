"""One hole, one candidate: how likely what stood there was, and what is suggested in its place."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, replace

import psutil

from localcoder.completion.complete import Completion, Options, complete
from localcoder.completion.confidence import confidence
from localcoder.completion.context.gathering import Gathering
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import Limits, Plan, PromptSession
from localcoder.engine.api import Engine, Finished, Request, Token, TokenScore
from localcoder.evaluate.distance import LIKELIEST, Predictions, distance
from localcoder.evaluate.holes import Hole

_ENOUGH_TO_TIME = 32
"""Tokens that have to be read before their time says how fast that is."""


@dataclass(frozen=True)
class Result:
    """What was measured. `reason` is why the text ended, as in `Completion`; `confidence` the mean probability of its
    tokens, as a geometric mean; `nats` and `tokens` are those of what stood there.

    `raw_text` is what the model says by itself, with more tokens, where that was asked for, too.

    `first_token_s` counts from when the whole prompt has been read; `read_tokens_per_s` is None where too little was
    left to read. `kl_nats` and `same_top` are sums over the tokens, None without a reference.
    """

    text: str
    reason: str
    confidence: float
    nats: float
    tokens: int
    prompt_tokens: int
    read_tokens_per_s: float | None
    first_token_s: float
    tokens_per_s: float
    suggestion_s: float
    memory_bytes: int
    elapsed_s: float
    kl_nats: float | None = None
    same_top: int | None = None
    raw_text: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it ended by itself: neither broken off, nor going round in circles."""
        return self.reason not in ("length", "time", "cancelled", "loop")

    @property
    def first_token_unread_s(self) -> float | None:
        """Seconds to the first token when nothing of the prompt was read before."""
        if not self.read_tokens_per_s:
            return None
        return self.prompt_tokens / self.read_tokens_per_s + self.first_token_s


async def measure(
    hole: Hole,
    engine: Engine,
    options: Options,
    *,
    raw: bool = False,
    raw_tokens: int | None = None,
    reference: Predictions | None = None,
    gathering: Gathering | None = None,
) -> Result:
    """Raises LocalcoderError when the engine cannot serve it.

    `raw`: the text is what the model says until it ends, or as many tokens as it may have. `raw_tokens`: that is
    `raw_text`, with so many tokens at most.
    """
    begun = time.perf_counter()
    document = await _document(hole, gathering)
    plan = await _plan(document, engine, options)
    read_tokens_per_s = await _read(plan, engine)
    middle, scores = await _scored(plan, hole, engine, LIKELIEST if reference is not None else 0)
    nats = -sum(score.logprob for score in scores)
    generated_at = time.perf_counter()
    shown = await (_raw(plan, engine, options) if raw else _shown(document, engine, options))
    shown_at = time.perf_counter()
    own = None
    if raw_tokens is not None:
        most = min(raw_tokens, max(1, (await engine.info()).n_ctx_train - len(plan.ids)))
        own = await _raw(plan, engine, replace(options, max_tokens=most))
    found = Result(
        text=shown.text,
        reason=shown.reason,
        confidence=shown.confidence,
        nats=nats,
        tokens=len(scores),
        prompt_tokens=len(plan.ids),
        read_tokens_per_s=read_tokens_per_s,
        first_token_s=shown.first_token_s,
        tokens_per_s=shown.tokens_per_s,
        suggestion_s=shown_at - generated_at,
        memory_bytes=_memory_bytes(),
        elapsed_s=time.perf_counter() - begun,
        raw_text=None if own is None else own.text,
    )
    if reference is None:
        return found
    apart = distance(reference, Predictions.of(middle, scores))
    return replace(found, kl_nats=apart.kl_nats, same_top=apart.same_top)


async def predictions(
    hole: Hole, engine: Engine, options: Options, *, gathering: Gathering | None = None
) -> Predictions:
    """What a reference says of each token of what stood there."""
    plan = await _plan(await _document(hole, gathering), engine, options)
    return Predictions.of(*await _scored(plan, hole, engine, LIKELIEST))


async def _document(hole: Hole, gathering: Gathering | None) -> Document:
    """With what the file needs from others; what only the hole uses is not known."""
    if gathering is None:
        return hole.document
    gathering.forget()
    await gathering.gather(hole.document, wait=True)
    return gathering.put(hole.document)


async def _plan(document: Document, engine: Engine, options: Options) -> Plan:
    """The prompt that a completion of this document has."""
    session = await _session(document, engine, options)
    limits = Limits(options.max_prompt_tokens, options.max_tokens, None)
    return await session.plan(document, engine, await engine.info(), options.layout, limits)


async def _session(document: Document, engine: Engine, options: Options) -> PromptSession:
    """A buffer's, in which what the cursor's line has so far was just typed: anchored prompts begin before that."""
    session = PromptSession()
    if options.layout == "anchored":
        start = document.prefix.rfind("\n") + 1
        before = replace(document, text=document.text[:start] + document.suffix, cursor=start)
        limits = Limits(options.max_prompt_tokens, options.max_tokens, None)
        await session.plan(before, engine, await engine.info(), options.layout, limits)
    return session


async def _read(plan: Plan, engine: Engine) -> float | None:
    """Have the prompt read as it stands, nothing of it shifted; returns the tokens a second."""
    estimate = await engine.estimate(plan.ids)
    unread = estimate.unread + estimate.approximate
    begun = time.perf_counter()
    await engine.warm(plan.ids)
    return unread / (time.perf_counter() - begun) if unread >= _ENOUGH_TO_TIME else None


async def _scored(plan: Plan, hole: Hole, engine: Engine, top: int) -> tuple[tuple[int, ...], list[TokenScore]]:
    """(the middle as ids, their scores). What was taken off the prompt's end to be healed is a part of the middle."""
    (middle,) = await engine.tokenize([plan.forced.decode("utf-8", "replace") + hole.middle])
    if not middle:  # Some tasks of a suite want nothing said.
        return (), []
    return middle, await engine.score((*plan.ids, *middle), len(plan.ids), top=top)


@dataclass(frozen=True)
class _Shown:
    text: str
    reason: str
    confidence: float
    first_token_s: float
    tokens_per_s: float


async def _shown(document: Document, engine: Engine, options: Options) -> _Shown:
    """As the app shows it."""
    session = await _session(document, engine, options)
    completion: Completion | None = None
    async with aclosing(complete(document, engine, replace(options, logprobs=True), session)) as updates:
        async for update in updates:
            if isinstance(update, Completion):
                completion = update
    await session.stop_reading()
    assert completion is not None
    stats = completion.stats
    return _Shown(
        completion.text, completion.reason, completion.confidence or 0.0, stats.first_token_s, stats.tokens_per_s
    )


async def _raw(plan: Plan, engine: Engine, options: Options) -> _Shown:
    """As the model says it."""
    request = Request(plan.ids, options.max_tokens, options.sampling, logprobs=True, forced=plan.forced)
    tokens: list[Token] = []
    finished: Finished | None = None
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, Token):
                tokens.append(event)
            elif isinstance(event, Finished):
                finished = event
    assert finished is not None
    text = "".join(token.text for token in tokens)
    stats = finished.stats
    sure = confidence(tokens, text) or 0.0
    return _Shown(text, finished.reason, sure, stats.first_token_s, stats.tokens_per_s)


def _memory_bytes() -> int:
    """Of this process's children: the engine's worker is one, or is on another machine."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        try:
            total += int(child.memory_info().rss)
        except psutil.Error:
            continue
    return total
