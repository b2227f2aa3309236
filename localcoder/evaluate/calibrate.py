"""An importance matrix from a user's own code: prompts in the layouts that completions use, run through the model."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from localcoder.code.walk import SourceFile
from localcoder.completion.layout import LAYOUTS, fim_prompt
from localcoder.engine.api import Engine, LocalOnly, MatrixInputs, SpecialIds

FORMS = ("plain", "fim", "repo")
DEFAULT_CHUNK_TOKENS = 512


@dataclass(frozen=True)
class CalibrationProgress:
    """How far it is: a `localcoder.progress.Progress`, in tokens."""

    done: int
    total: int
    rate: float
    left_s: float | None = None
    stage: str = "calibrate"
    unit: str = "tokens"


@dataclass(frozen=True)
class Calibration:
    """Σx² by input column for each matrix (GGUF name), and the inputs counted; `chunks` of at most `chunk_tokens`."""

    sums: dict[str, npt.NDArray[np.float64]] = field(repr=False)
    counts: dict[str, int] = field(repr=False)
    chunks: int
    chunk_tokens: int


def prompts(
    sources: Sequence[SourceFile],
    special: SpecialIds,
    tokenize: Callable[[str], list[int]],
    forms: Sequence[str],
    seed: int = 0,
) -> Iterator[list[int]]:
    """Each source as a prompt, in the given forms by turns: plain text, FIM (PSM and SPM by turns), with its path."""
    rng = random.Random(seed)
    for index, source in enumerate(sources):
        form = forms[index % len(forms)]
        end = [] if special.endoftext is None else [special.endoftext]
        if form == "repo" and special.repo_name is not None and special.file_sep is not None:
            head = [special.repo_name, *tokenize("project"), special.file_sep]
            yield [*head, *tokenize(f"{source.name}\n{source.text}"), *end]
        elif form == "fim" and special.fim_prefix is not None and len(source.text) > 2:
            start, stop = sorted(rng.sample(range(len(source.text)), 2))
            prefix, middle, suffix = source.text[:start], source.text[start:stop], source.text[stop:]
            layout = LAYOUTS[index // len(forms) % len(LAYOUTS)]
            prompt = fim_prompt(layout, tokenize(prefix), tokenize(suffix), special)
            yield [*prompt, *tokenize(middle), *end]
        else:
            yield [*tokenize(source.text), *end]


async def calibrate(
    engine: LocalOnly,
    sources: Sequence[SourceFile],
    *,
    forms: Sequence[str] = FORMS,
    chunk_tokens: int = 0,
    max_chunks: int = 0,
) -> AsyncGenerator[CalibrationProgress | Calibration, None]:
    """Run the sources through the model, cut in chunks; the last thing that comes is what was summed.

    Every token counts. `chunk_tokens` 0 means 512, or the sliding window where that is less: beyond it, llama.cpp's
    graph sees keys that the model never attended to. `max_chunks` 0 takes everything. Closing the iterator cancels it.
    """
    info = await engine.info()
    size = chunk_tokens or min(DEFAULT_CHUNK_TOKENS, info.window or DEFAULT_CHUNK_TOKENS)
    stream = await _stream(engine, sources, info.special, forms)
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    chunks = chunks[:max_chunks] if max_chunks else chunks
    total, start = sum(map(len, chunks)), time.monotonic()
    sums: dict[str, npt.NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    async with aclosing(engine.calibrate(chunks)) as events:
        async for event in events:
            if isinstance(event, MatrixInputs):
                sums[event.name], counts[event.name] = np.frombuffer(event.sums, np.float64), event.rows
            else:
                rate = event / max(time.monotonic() - start, 1e-9)
                yield CalibrationProgress(event, total, rate)
    yield Calibration(sums, counts, len(chunks), size)


async def _stream(
    engine: Engine, sources: Sequence[SourceFile], special: SpecialIds, forms: Sequence[str]
) -> list[int]:
    """All prompts as ids, one behind the other. They are made once to see their texts, and once from the texts' ids."""
    texts: list[str] = []

    def note(text: str) -> list[int]:
        texts.append(text)
        return []

    for _ in prompts(sources, special, note, forms):
        pass
    # One by one: an answer is one line of the worker's protocol, which has a limit.
    ids = iter([list((await engine.tokenize([text]))[0]) for text in texts])
    return [token for prompt in prompts(sources, special, lambda _: next(ids), forms) for token in prompt]
