"""A person who opens a file of real code, looks at it, and types: the same for every program that is measured."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from localcoder.completion.document import Document
from localcoder.evaluate.bench.figures import (
    COLD,
    COLD_CONTEXT,
    TYPING,
    TYPING_CONTEXT,
    TYPING_READ,
    TYPING_SLOWEST,
    Sample,
)

TYPED_FILE = "completion/prompt_session.py"
READ_FILES = ("completion/window.py", "completion/ending.py", "completion/repetition.py", "code/surroundings.py")
"""Code of this package: real, here wherever the program is, and the same for all who measure one version."""
BURSTS = 6
"""How often a completion is asked for while typing."""
CHARACTERS_PER_S = 5.0
"""60 words a minute."""
LOOK_S = 2.0
"""Seconds between opening the file and typing. Chosen: short, as each round has it."""
ANSWER_TOKENS = 8
"""Tokens of an answer, which is overtaken by the next keystroke."""
_BEFORE, _AFTER = 0.72, 0.18
"""Of the prompt's tokens: 4 to 1 as in llama.vim, and room for what is typed."""


@dataclass(frozen=True)
class Step:
    """What is typed, in so many seconds, and the document after it, for which a completion is asked."""

    seconds: float
    document: Document


@dataclass(frozen=True)
class Trace:
    """The file as it is opened, of about `tokens` tokens, and the steps of someone who types into it."""

    opened: Document
    steps: tuple[Step, ...]
    tokens: int
    tokens_behind: int
    """Of them, those behind the cursor."""

    @property
    def typing_s(self) -> float:
        """Seconds that looking and typing take, without the answers."""
        return LOOK_S + sum(step.seconds for step in self.steps)


@dataclass(frozen=True)
class Asked:
    """What came of one request: seconds to its first token, tokens read for it, tokens of context it rests on."""

    first_token_s: float
    read: int
    context: int


def code(*names: str) -> str:
    """The text of files of this package."""
    return "".join(files("localcoder").joinpath(name).read_text(encoding="utf-8") for name in names)


def make_trace(lines: Sequence[str], lengths: Sequence[int], tokens: int) -> Trace:
    """A trace in the beginning of these lines, whose lengths in tokens are given, so that a prompt has `tokens`."""
    cursor = _taken(lengths, int(tokens * _BEFORE))
    bursts: list[str] = []
    at = cursor
    while len(bursts) < BURSTS:
        bursts = list(cut("".join(lines[cursor : at + 1])))[:BURSTS]
        at += 1
    after = at + _taken(lengths[at:], int(tokens * _AFTER))
    before, behind = "".join(lines[:cursor]), "".join(lines[at:after])
    steps, typed = [], ""
    for burst in bursts:
        typed += burst
        document = Document(before + typed + behind, len(before + typed))
        steps.append(Step(len(burst) / CHARACTERS_PER_S, document))
    opened = Document(before + behind, len(before))
    tokens_behind = sum(lengths[at:after])
    return Trace(opened, tuple(steps), sum(lengths[:cursor]) + tokens_behind, tokens_behind)


def cut(text: str, seed: int = 0) -> Iterator[str]:
    """Pieces of 2 to 9 characters, as a person types between two pauses; a newline ends a piece."""
    rng = random.Random(seed)
    while text:
        size = rng.randint(2, 9)
        newline = text.find("\n", 0, size)
        size = newline + 1 if newline >= 0 else size
        yield text[:size]
        text = text[size:]


async def play(trace: Trace, ask: Callable[[Document], Awaitable[Asked]]) -> AsyncGenerator[Sample, None]:
    """Open, look and type, and measure what each request gets."""
    cold = await ask(trace.opened)
    yield Sample(COLD, cold.first_token_s)
    yield Sample(COLD_CONTEXT, cold.context)
    await asyncio.sleep(LOOK_S)
    answers = []
    for step in trace.steps:
        await asyncio.sleep(step.seconds)
        answers.append(await ask(step.document))
    yield Sample(TYPING, statistics.median(answer.first_token_s for answer in answers))
    yield Sample(TYPING_SLOWEST, max(answer.first_token_s for answer in answers))
    yield Sample(TYPING_READ, statistics.mean(answer.read for answer in answers))
    yield Sample(TYPING_CONTEXT, statistics.mean(answer.context for answer in answers))


def _taken(lengths: Sequence[int], tokens: int) -> int:
    """How many lines make up so many tokens: one at least."""
    total = 0
    for index, length in enumerate(lengths):
        total += length
        if total > tokens:
            return max(index, 1)
    return len(lengths)
