"""The pipeline: document → window → layout → engine → ending → completion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from localcoder.checks.check import look_at
from localcoder.checks.finding import Finding
from localcoder.code.guess import language_at
from localcoder.completion.block import is_at_empty_block
from localcoder.completion.confidence import confidence, first_line
from localcoder.completion.document import Document, Snippet
from localcoder.completion.edits import Edit, Range
from localcoder.completion.ending import End, Ending, Mode
from localcoder.completion.layout import LayoutName
from localcoder.completion.prompt_session import Limits, Plan, PromptSession
from localcoder.completion.sendable import sendable
from localcoder.completion.stops import Stop, Stopping
from localcoder.completion.window import Window, whole_window
from localcoder.engine.api import Ended, Engine, Finished, ModelInfo, ReadProgress, Request, Sampling, Stats, Token

DEFAULT_PROMPT_TOKENS = 2304
"""Chosen: about the 320 lines of llama.vim. Two cores read them in 90 s with a 3B; its window of 4,096 holds them."""
_NEVER = -1e9
"""A logit bias below all that a model says; −inf is no number in JSON."""


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
    top_logprobs: int = 0
    """How many of the likeliest tokens are told with each; where the engine can."""
    alternatives: int = 1
    """How many completions are made together; those after the first are drawn at random."""
    first_token_s: float | None = None
    stop: Stop = field(default_factory=Stop)
    prompt_ids: tuple[int, ...] | None = None
    """Read these and no others: the document is only what they say, and the text is what comes after it."""
    gives_way: bool = False
    """Whether it pauses for other requests instead of being ended by them; with one alternative only."""
    with_prompt: bool = False
    """Whether the completion says what the prompt was, as text."""
    least_confidence: float = 0.0
    """Nothing is shown unless the first line that is not blank has at least this confidence; 0 shows all."""
    checks: bool = False
    """Whether the completion says what is to be distrusted in it; that takes some hundredths of a second at its end."""
    never_sent: tuple[str, ...] = ()
    """Files that no other machine may see, as `sendable` reads them."""


@dataclass(frozen=True)
class TextDelta:
    """More text at the cursor that is sure to be part of the (first) completion.

    `first_line_confidence` is that of its first line as far as that is known by now; None without `logprobs`.
    """

    text: str
    first_line_confidence: float | None = None
    tokens: tuple[Token, ...] = ()
    """Those that came since the delta before; how much of their text is in this one the ending decides."""
    read: ReadProgress | None = None
    """What reading the prompt cost."""


@dataclass(frozen=True)
class Completion:
    """The last update: an edit at the cursor, with what there is to say of it.

    `text` is what the edit puts there; `tokens` are what was generated, before it was decided what is shown.

    `reason` is the engine's (end, length, cancelled), the text's (line, block, bracket, suffix, loop) or that of
    `options.stop` (stop, indent, time); unsure where there is no text, as its first line had less than the least
    confidence. `others` are the alternatives after the first, made together with it: `stats` counts the tokens of all.
    `prompt` has the control tokens by their names; it is "" unless it was asked for.
    """

    edit: Edit
    reason: str
    stats: Stats
    model: str
    prompt_ids: tuple[int, ...]
    tokens: tuple[Token, ...]
    others: tuple[Completion, ...] = ()
    prompt: str = ""
    host: str = ""
    """The machine that the prompt was sent to; "" for this one."""
    findings: tuple[Finding, ...] = ()
    elsewhere: tuple[Snippet, ...] = ()
    """Pieces of other files that the prompt begins with."""
    is_cut: bool = False
    """Whether text of the document was left out of the prompt."""
    stopping_word: str = ""
    """Which of the words ended it."""

    @property
    def text(self) -> str:
        return self.edit.text

    @property
    def confidence(self) -> float | None:
        """Of the whole text, as in `completion.confidence`; None of none, or without `logprobs`."""
        return confidence(self.tokens, self.text)

    @property
    def first_line_confidence(self) -> float | None:
        """Of its first line that is not blank, with what stands before that."""
        return confidence(self.tokens, first_line(self.text))


Update = ReadProgress | TextDelta | Completion


async def complete(
    document: Document, engine: Engine, options: Options | None = None, session: PromptSession | None = None
) -> AsyncGenerator[Update, None]:
    """ReadProgress while the prompt is read, text as it becomes certain, and the Completion at the end.

    A `session` makes the prompts of one buffer grow only at their end, and reads ahead after the completion. Closing
    the iterator cancels the request. Raises LocalcoderError when the engine cannot serve it.
    """
    options, session = options or Options(), session or PromptSession()
    model = await engine.info()
    document = sendable(document, model.host, options.never_sent)
    if options.prompt_ids is None:
        plan = await session.plan(document, engine, model, options.layout, _limits(options))
    else:
        plan = _given(options.prompt_ids, document, model, options.max_tokens)
    request = Request(
        ids=plan.ids,
        forced=plan.forced,
        max_tokens=min(options.max_tokens, max(1, model.n_ctx_train - len(plan.ids))),
        alternatives=options.alternatives,
        sampling=without_redactions(options.sampling, model),
        logprobs=options.logprobs or options.least_confidence > 0,
        top_logprobs=options.top_logprobs,
        gives_way=options.gives_way,
    )
    alternatives = [_Alternative(options, document) for _ in range(options.alternatives)]
    first = alternatives[0]
    finished: Finished | None = None
    gate = _Gate(options.least_confidence)
    read: ReadProgress | None = None
    told = 0

    def delta(text: str) -> TextDelta:
        nonlocal told
        tokens, told = tuple(first.tokens[told:]), len(first.tokens)
        return TextDelta(text, confidence(first.tokens, first_line(gate.text)), tokens, read)

    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, ReadProgress):
                yield (read := event)
                continue
            if isinstance(event, Finished):
                finished = event
                continue
            fed = alternatives[event.alternative]
            was_over = fed.reason is not None
            more = fed.feed(event)
            if fed is first and (more := gate.pass_on(more, first.tokens)):
                yield delta(more)
            if gate.is_shut:
                first.reason = first.reason or "unsure"
            if fed.reason is not None and not was_over and all(each.reason for each in alternatives):
                # The engine ends at once and says what it did; the rest of its tokens is not wanted.
                await engine.cancel(request)
    assert finished is not None
    if plan.background_ids is not None and (first.reason or finished.reason != "cancelled"):
        session.read_on(plan)
    ends = [each.finish(finished.reason) for each in alternatives]
    may_insist = options.alternatives == 1 and not _rules_out(options.sampling, model.end_ids)
    if may_insist and ends[0][0].reason == "end" and not ends[0][0].text.strip() and _is_at_empty_block(document):
        # Somebody who opens a block is going to write something there, even where the model would not.
        async for update in complete(document, engine, _one_line_at_least(options, model), session):
            yield update
        return
    if more := gate.pass_on(ends[0][1], first.tokens, is_last=True):
        yield delta(more)
    if gate.is_shut:
        ends[0] = End("", "unsure"), ""
    place = Range(document.cursor, document.cursor)
    completion, *others = (
        Completion(
            Edit(place, end.text),
            end.reason,
            finished.stats,
            model.name,
            plan.ids,
            tuple(each.tokens),
            is_cut=plan.window.is_cut,
            stopping_word=each.stopping.word,
        )
        for each, (end, _) in zip(alternatives, ends, strict=True)
    )
    prompt = b"".join(await engine.pieces(plan.ids)) + plan.forced if options.with_prompt else b""
    # A prompt that was given as ids need be no code.
    if options.checks and options.prompt_ids is None:
        completion, *others = await asyncio.to_thread(_with_findings, document, [completion, *others])
    yield replace(
        completion,
        others=tuple(others),
        prompt=prompt.decode("utf-8", "replace"),
        host=model.host,
        elsewhere=(*plan.window.head, *plan.window.snippets),
    )


def _with_findings(document: Document, completions: Sequence[Completion]) -> list[Completion]:
    return [
        replace(each, findings=look_at(document.text, each.edit.range, each.text, document.path))
        for each in completions
    ]


class _Alternative:
    """One alternative's text as it grows. `reason` is None while the engine is to go on with it."""

    def __init__(self, options: Options, document: Document) -> None:
        self.stopping = Stopping(options.stop)
        self._ending = Ending(document, options.mode)
        self.tokens: list[Token] = []
        self.reason: str | None = None

    def feed(self, event: Token | Ended) -> str:
        """Take what the engine says of it; returns the text that has become certain."""
        if self.reason is not None:
            return ""
        if isinstance(event, Ended):
            self.reason = event.reason
            return ""
        self.tokens.append(event)
        more = self._ending.feed(self.stopping.feed(event.text))
        self.reason = self._ending.reason or self.stopping.reason
        return more

    def finish(self, reason: str) -> tuple[End, str]:
        """(the whole, what of it `feed` did not return); `reason` is the engine's."""
        more = self._ending.feed(self.stopping.rest())
        reason = self.reason or reason
        end = self._ending.finish(ended=reason in ("end", "stop", "indent"))
        # What ends it "by itself" where it was stopped ends it for the other reason.
        by_itself = end.reason == "end" and reason != "end"
        return replace(end, reason=reason if by_itself else end.reason or reason), more + self._ending.rest(end)


class _Gate:
    """Holds text back until its first line is sure enough. `is_shut` when it is not; `text` is all that came."""

    def __init__(self, least_confidence: float) -> None:
        self._least = least_confidence
        self._is_open = least_confidence <= 0
        self._held = ""
        self.is_shut = False
        self.text = ""

    def pass_on(self, more: str, tokens: Sequence[Token], *, is_last: bool = False) -> str:
        """What may be shown now."""
        self.text += more
        self._held += more
        line = first_line(self.text)
        if not self._is_open and not self.is_shut and line.strip() and (is_last or line != self.text):
            sure = confidence(tokens, line)
            self._is_open = sure is None or sure >= self._least
            self.is_shut = not self._is_open
        if not self._is_open:
            return ""
        held, self._held = self._held, ""
        return held


async def read_ahead(document: Document, engine: Engine, options: Options, session: PromptSession) -> None:
    """Begin to read the prompt of a completion that nobody has asked for yet."""
    if options.prompt_ids is not None:
        session.read_ids(engine, options.prompt_ids)
        return
    model = await engine.info()
    document = sendable(document, model.host, options.never_sent)
    plan = await session.plan(document, engine, model, options.layout, _limits(options))
    session.read_on(plan)


def _given(ids: tuple[int, ...], document: Document, model: ModelInfo, max_tokens: int) -> Plan:
    """These ids, or their end where the model's context does not hold all of them."""
    most = max(model.n_ctx_train - max_tokens, model.n_ctx_train // 2)
    window = whole_window(document)
    if len(ids) > most:
        window = Window(window.prefix, window.suffix, len(ids) - most, 0)
    return Plan(ids[-most:], window, window)


def without_redactions(sampling: Sampling, model: ModelInfo) -> Sampling:
    """`<NAME>` and the like are where the training text was redacted: they are never what should stand in code."""
    biased = {token for token, _ in sampling.logit_bias}
    never = tuple((token, _NEVER) for token in model.redaction_ids if token not in biased)
    return replace(sampling, logit_bias=(*sampling.logit_bias, *never))


def _is_at_empty_block(document: Document) -> bool:
    prefix, suffix = document.prefix.replace("\r\n", "\n"), document.suffix.replace("\r\n", "\n")
    return is_at_empty_block(prefix, suffix, language_at(document.path, prefix + suffix, len(prefix)))


def _one_line_at_least(options: Options, model: ModelInfo) -> Options:
    """One line, with the end ruled out."""
    bias = (*options.sampling.logit_bias, *((id, _NEVER) for id in model.end_ids))
    return replace(options, mode="line", sampling=replace(options.sampling, logit_bias=bias))


def _rules_out(sampling: Sampling, ids: Sequence[int]) -> bool:
    return set(ids) <= {id for id, bias in sampling.logit_bias if bias == _NEVER}


def _limits(options: Options) -> Limits:
    return Limits(options.max_prompt_tokens, options.max_tokens, options.first_token_s)
