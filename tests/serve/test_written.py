"""Prompts in which clients wrote a model's fill-in-the-middle tokens themselves."""

from __future__ import annotations

import pytest

from localcoder.completion.document import Snippet
from localcoder.engine.local import LocalEngine
from localcoder.serve.written import Piece, ids_of, take_apart, take_apart_pieces, text_of

BEFORE, AFTER = "def f(a):\n    return ", "\n\nprint(f(1))\n"
OTHER = Snippet("other.py", "x = 1\n")


@pytest.mark.parametrize(
    "prompt",
    [
        f"<fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<fim_prefix><fim_suffix>{AFTER}<fim_middle>{BEFORE}",
        f"<fim_prefix>{BEFORE[:5]}<fim_suffix>{AFTER}<fim_middle>{BEFORE[5:]}",
        f"<fim_suffix>{AFTER}<fim_prefix>{BEFORE}<fim_middle>",
        f"<|endoftext|><fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<fim_pad><fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<repo_name>r<file_sep><fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>",
        f"<PRE> {BEFORE} <SUF>{AFTER} <MID>",
        f"<PRE>{BEFORE} <SUF>{AFTER} <MID>",
        f"<｜fim▁begin｜>{BEFORE}<｜fim▁hole｜>{AFTER}<｜fim▁end｜>",
        f"<|code_suffix|>{AFTER}<|code_prefix|>{BEFORE}<|code_middle|>",
        f"[SUFFIX]{AFTER}[PREFIX]{BEFORE}",
        f"[SUFFIX]{AFTER}[PREFIX]{BEFORE}[MIDDLE]",
        f"<|fim_prefix|> {BEFORE} <|fim_suffix|>{AFTER} <|fim_middle|>",
    ],
)
def test_the_code_before_and_behind_the_cursor_is_found(prompt: str) -> None:
    written = take_apart(prompt)
    assert written and written.is_fill
    assert (written.document.prefix, written.document.suffix, written.document.snippets) == (BEFORE, AFTER, ())


@pytest.mark.parametrize(
    "prompt",
    [
        f"<repo_name>r<file_sep>other.py\nx = 1\n<file_sep><fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<file_sep>other.py\nx = 1\n<file_sep><fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<fim_prefix><file_sep>other.py\nx = 1\n<file_sep>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<|file_sep|>other.py\nx = 1\n<|file_sep|><|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>",
        f"<reponame>r<filename>other.py\nx = 1\n<|endoftext|><fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
        f"<|file_separator|>other.py\nx = 1\n<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>",
    ],
)
def test_other_files_are_found(prompt: str) -> None:
    written = take_apart(prompt)
    assert written and (written.document.prefix, written.document.suffix) == (BEFORE, AFTER)
    assert written.document.snippets == (OTHER,)


def test_files_one_after_the_other_end_in_one_to_go_on_with() -> None:
    for prompt in (
        f"<repo_name>r<file_sep>other.py\nx = 1\n<file_sep>own.py\n{BEFORE}",
        f"<|repo_name|>r\n<|file_sep|>other.py\nx = 1\n<|file_sep|>own.py\n{BEFORE}",
    ):
        written = take_apart(prompt)
        assert written and not written.is_fill
        assert written.document.prefix == f"own.py\n{BEFORE}" and written.document.snippets == (OTHER,)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        BEFORE,
        "STOP = '<fim_middle>'\n",
        "a <file_sep> b",
        "<fim_prefix>a<fim_suffix>b",
        "<repo_name>r",
        "<PRE>a</PRE>",
        f"PROMPT = '<fim_prefix>{{p}}<fim_suffix>{{s}}<fim_middle>'\n{BEFORE}",
        f"PROMPT = '[SUFFIX]{{s}}[PREFIX]{{p}}'\n{BEFORE}",
    ],
)
def test_everywhere_else_the_name_of_a_token_is_text(prompt: str) -> None:
    assert take_apart(prompt) is None


async def test_ids_and_lists_of_both_are_taken_apart_too(engine: LocalEngine) -> None:
    special = (await engine.info()).special
    pre, suf, mid, sep = special.fim_prefix, special.fim_suffix, special.fim_middle, special.file_sep
    assert pre and suf and mid and sep
    before, after, other = await engine.tokenize([BEFORE, AFTER, "other.py\nx = 1\n"])
    prompts: list[list[Piece]] = [
        [sep, *other, sep, pre, *before, suf, *after, mid],
        [sep, *other, sep, pre, suf, *after, mid, *before],
        [sep, "other.py\nx = 1\n", sep, pre, BEFORE, suf, *after, mid],
        ["<file_sep>other.py\nx = 1\n<file_sep><fim_prefix>", *before, "<fim_suffix>", *after, mid],
    ]
    for prompt in prompts:
        written = await take_apart_pieces(prompt, engine)
        assert written and (written.document.prefix, written.document.suffix) == (BEFORE, AFTER)
        assert written.document.snippets == (OTHER,)


async def test_ids_of_a_text_that_says_a_tokens_name_are_text(engine: LocalEngine) -> None:
    special = (await engine.info()).special
    text = "<fim_prefix>a<fim_suffix>b<fim_middle>"
    (ids,) = await engine.tokenize([text])
    assert await take_apart_pieces(ids, engine) is None
    assert await text_of(ids, engine) == text and await ids_of(ids, engine) == ids
    assert special.fim_prefix and special.fim_suffix and special.fim_middle
    within = [special.fim_prefix, *ids, special.fim_suffix, special.fim_middle]
    written = await take_apart_pieces(within, engine)
    assert written and written.document.prefix == text
    assert await ids_of((), engine) == (special.endoftext,)
