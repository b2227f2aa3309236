"""What a request asks for, in terms of no dialect, and how it becomes a document and options for one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from localcoder.completion.complete import Options
from localcoder.completion.document import Document
from localcoder.completion.ending import Mode
from localcoder.completion.scheduler import Scheduler
from localcoder.serve.fields import BadBody
from localcoder.serve.written import Piece, Written, ids_of, take_apart, take_apart_pieces, text_of

_NEVER = -1e9
"""A logit bias below all that a model says."""

_MOST_PROMPTS = 2048
"""Chosen: far more than any client sends; nobody is answered while they are prepared."""


@dataclass(frozen=True)
class Asked:
    """`prompts`: what is to be filled in, or prompts as they were written; most requests have one.

    `mode` None: the usual one where code stands behind the cursor, else on to the end. `bias` may be of texts, whose
    ids a model's vocabulary says. `ignored`: names of fields that have no effect.
    """

    prompts: tuple[Written | tuple[Piece, ...], ...]
    options: Options
    model: str = ""
    mode: Mode | None = None
    stream: bool = False
    bias: tuple[tuple[int | str, float], ...] = ()
    ignores_end: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One prompt for one model. `index` counts the prompts of a request."""

    scheduler: Scheduler
    document: Document
    options: Options
    index: int = 0


def fill(prompt: tuple[Piece, ...], suffix: str | None) -> Written | tuple[Piece, ...]:
    """What a prompt with a `suffix` beside it means. Raises BadBody.

    Without a suffix a text is still one to fill in, with nothing behind the cursor, and goes on to its end. With one,
    names of tokens in the prompt are code.
    """
    if any(isinstance(piece, int) for piece in prompt):
        if suffix:
            raise BadBody("With a 'suffix', 'prompt' has to be a string.")
        return prompt
    before = "".join(map(str, prompt))
    if suffix is not None:
        return Written(Document(before + suffix, len(before)))
    return take_apart(before) or Written(Document(before, len(before)), is_fill=False)


def read_prompts(value: object) -> tuple[tuple[Piece, ...], ...]:
    """A field that is a prompt or a list of them: texts, lists of ids, lists of both. Raises BadBody."""
    if isinstance(value, str | dict):
        return (_read_prompt(value),)
    if not isinstance(value, list) or not value:
        raise BadBody("'prompt' has to be a string, a list of token ids, or a list of these.")
    # A list of strings alone is several prompts; with ids in it, it is one.
    if any(type(each) is int for each in value):
        return (_read_prompt(value),)
    if len(value) > _MOST_PROMPTS:
        raise BadBody(f"'prompt' has at most {_MOST_PROMPTS} prompts.")
    return tuple(_read_prompt(each) for each in value)


def _read_prompt(value: object) -> tuple[Piece, ...]:
    if isinstance(value, dict):
        value = value.get("prompt_string")
    pieces = [value] if isinstance(value, str) else value
    if not isinstance(pieces, list) or not all(type(each) in (str, int) for each in pieces):
        raise BadBody("A prompt has to be a string, or a list of token ids and strings.")
    return tuple(pieces)


async def runs(asked: Asked, scheduler: Scheduler) -> list[Run]:
    """One for each prompt. Raises BadBody for ids that the vocabulary does not have."""
    options = await _with_bias(asked, scheduler)
    return [await _run(prompt, asked, options, scheduler, i) for i, prompt in enumerate(asked.prompts)]


async def _run(
    prompt: Written | tuple[Piece, ...], asked: Asked, options: Options, scheduler: Scheduler, index: int
) -> Run:
    if not isinstance(prompt, Written):
        engine = scheduler.engine
        _require_known(prompt, (await engine.info()).n_vocab)
        written = await take_apart_pieces(prompt, engine)
        if written is None:
            text = await text_of(prompt, engine)
            options = replace(options, prompt_ids=await ids_of(prompt, engine), mode=asked.mode or "free")
            return Run(scheduler, Document(text, len(text)), options, index)
        prompt = written
    mode = asked.mode or (options.mode if prompt.is_fill else "free")
    return Run(scheduler, prompt.document, replace(options, mode=mode), index)


def _require_known(pieces: Sequence[Piece], n_vocab: int) -> None:
    if not all(0 <= piece < n_vocab for piece in pieces if isinstance(piece, int)):
        raise BadBody(f"A token's id has to be below {n_vocab}.")


async def _with_bias(asked: Asked, scheduler: Scheduler) -> Options:
    info = await scheduler.engine.info()
    texts = [token for token, _ in asked.bias if isinstance(token, str)]
    known = iter(await scheduler.engine.tokenize(texts) if texts else [])
    found: dict[int, float] = {}
    for token, bias in asked.bias:
        for i in next(known) if isinstance(token, str) else (token,):
            # As in llama-server: what the vocabulary does not have is left out.
            if 0 <= i < info.n_vocab:
                found[i] = bias
    if asked.ignores_end:
        found |= dict.fromkeys(info.end_ids, _NEVER)
    return replace(asked.options, sampling=replace(asked.options.sampling, logit_bias=tuple(found.items())))
