"""The whole pipeline on the bundled model."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.code.languages import language_of
from localcoder.completion.block import is_at_empty_block
from localcoder.completion.complete import Completion, Options, TextDelta, Update, complete
from localcoder.completion.document import Document
from localcoder.completion.layout import LayoutName, fim_prompt
from localcoder.completion.prompt_session import Limits, PromptSession
from localcoder.engine.api import Engine, Event, ReadProgress, Request, Sampling, SpecialIds
from localcoder.errors import LocalcoderError
from tests.tui.fake_engine import FakeEngine

BEFORE = '''import argparse


def parse_args(argv):
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true")
    return '''
AFTER = """

def main():
    args = parse_args(sys.argv[1:])
"""
DOCUMENT = Document(BEFORE + AFTER, len(BEFORE))
SPECIAL = SpecialIds(0, 1, 2, 3, 4, 5, 6)


async def run(
    engine: Engine, document: Document = DOCUMENT, options: Options | None = None
) -> tuple[Completion, list[Update]]:
    updates = [update async for update in complete(document, engine, options)]
    assert isinstance(updates[-1], Completion)
    shown = "".join(update.text for update in updates if isinstance(update, TextDelta))
    assert shown == updates[-1].text
    return updates[-1], updates


def test_layouts_are_the_ones_that_were_trained() -> None:
    assert fim_prompt("psm", [7, 8], [9], SPECIAL) == (1, 7, 8, 3, 9, 2)
    assert fim_prompt("spm", [7, 8], [9], SPECIAL) == (1, 3, 9, 2, 7, 8)
    assert fim_prompt("anchored", [7], [9], SPECIAL, [8]) == (1, 7, 3, 9, 2, 8)
    assert fim_prompt("psm", [7], [9], SPECIAL, [8]) == (1, 7, 8, 3, 9, 2)
    with pytest.raises(LocalcoderError, match="no fill-in-the-middle"):
        fim_prompt("psm", [7], [9], replace(SPECIAL, fim_middle=None))


async def test_a_file_in_a_repository_is_named_as_in_training(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    info, session = await engine.info(), PromptSession()
    for name, said in (("shop/lib/basket.py", b"lib/basket.py\n"), ("alone.py", b"")):
        document = replace(DOCUMENT, path=tmp_path / name)
        plan = await session.plan(document, engine, info, "spm", Limits(2000, 64, None))
        prompt = b"".join(await engine.pieces(plan.ids))
        assert prompt.startswith(b"<repo_name>shop<file_sep><fim_prefix>" if said else b"<fim_prefix>")
        assert prompt.endswith(b"<fim_middle>" + said + BEFORE.encode())


async def test_a_completion_streams_and_is_the_same_twice(engine: Engine) -> None:
    first, updates = await run(engine)
    again, _ = await run(engine)
    assert any(isinstance(update, ReadProgress) for update in updates)
    assert first.text == again.text != ""
    assert first.reason in ("end", "block", "line", "loop", "length")
    assert (again.stats.tokens_read, again.stats.tokens_reused) == (1, len(first.prompt_ids) - 1)


async def test_what_is_not_sure_enough_is_not_shown_and_not_made(engine: Engine) -> None:
    free = Options(mode="free", max_tokens=48)
    whole, _ = await run(engine, options=replace(free, logprobs=True))
    sure = whole.first_line_confidence
    assert sure is not None and "\n" in whole.text.strip()
    unsure, updates = await run(engine, options=replace(free, least_confidence=sure + 0.01))
    assert (unsure.text, unsure.reason) == ("", "unsure")
    assert not any(isinstance(update, TextDelta) for update in updates)
    assert unsure.stats.tokens_generated < whole.stats.tokens_generated
    shown, updates = await run(engine, options=replace(free, least_confidence=sure - 0.01))
    deltas = [update for update in updates if isinstance(update, TextDelta)]
    assert shown.text == whole.text and len(deltas) > 1 and "\n" in deltas[0].text, "the first line comes as a whole"
    assert deltas[-1].first_line_confidence == pytest.approx(sure, abs=1e-3)


async def test_typing_reads_only_what_was_typed(engine: Engine) -> None:
    typed = " parser.parse_args(argv)"
    await run(engine, options=Options(max_tokens=1))
    text = BEFORE.rstrip() + AFTER
    for i in range(1, len(typed) + 1, 3):
        before = BEFORE.rstrip() + typed[:i]
        document = Document(before + text[len(BEFORE.rstrip()) :], len(before))
        completion, _ = await run(engine, document, Options(max_tokens=1))
        if i > 1:
            assert completion.stats.tokens_read <= 4


async def test_redactions_are_never_chosen(engine: Engine) -> None:
    """With everything else ruled out, a redaction would come if it could."""
    info = await engine.info()
    assert len(info.redaction_ids) == 4
    others = [i for i in range(info.n_vocab) if i not in info.redaction_ids and i not in (500, 501)]
    sampling = Sampling(temperature=2.0, logit_bias=tuple((i, -1e6) for i in others))
    completion, _ = await run(engine, options=Options(sampling=sampling, mode="free", max_tokens=20))
    assert {token.id for token in completion.tokens} <= {-1, 500, 501}


async def test_line_mode_gives_one_line(engine: Engine) -> None:
    completion, _ = await run(engine, options=Options(mode="line", sampling=Sampling(1.0, seed=3)))
    assert "\n" not in completion.text


async def test_alternatives_come_together_and_each_ends_for_its_own_reason(engine: Engine) -> None:
    alone, _ = await run(engine, options=Options(max_tokens=40))
    options = Options(max_tokens=40, alternatives=6, logprobs=True)
    first, _ = await run(engine, options=options)
    assert first.text == alone.text and first.reason == alone.reason
    assert first.stats.tokens_read <= 1 and len(first.others) == 5
    assert len({each.text for each in first.others}) > 1
    for each in (first, *first.others):
        assert all(token.logprob is not None for token in each.tokens if token.id >= 0)
        assert each.reason in ("end", "block", "line", "bracket", "loop", "length")
    assert first.stats.tokens_generated < 6 * 40
    again, _ = await run(engine, options=options)
    assert [each.text for each in again.others] == [each.text for each in first.others]


async def test_the_token_limit_is_reported(engine: Engine) -> None:
    document = Document("import os\n\n\ndef ", 15)
    completion, _ = await run(engine, document, Options(max_tokens=2, mode="free"))
    assert completion.reason == "length" and completion.stats.tokens_generated == 2


async def test_an_empty_document_completes(engine: Engine) -> None:
    completion, _ = await run(engine, Document("", 0), Options(max_tokens=8))
    assert completion.prompt_ids == (1, 3, 2)


@pytest.mark.parametrize("layout", ["psm", "spm"])
async def test_the_prompt_fits_its_budget_whatever_the_text(engine: Engine, layout: LayoutName) -> None:
    info = await engine.info()
    for text in ("0" * 40_000, "x = 1\n" * 5000, "\u4e00" * 9000):
        document = Document(text, len(text) // 2)
        plan = await PromptSession().plan(document, engine, info, layout, Limits(300, 64, None))
        assert 120 < len(plan.ids) <= 300


async def test_a_long_file_in_a_real_window(engine: Engine) -> None:
    text = "".join(f"def function_{i}(x):\n    return x + {i}\n\n\n" for i in range(400))
    completion, _ = await run(engine, Document(text, len(text) // 2), Options(max_tokens=8))
    assert 1700 < len(completion.prompt_ids) <= 2304


@pytest.mark.parametrize("layout", ["spm", "anchored"])
async def test_prompts_grow_only_at_their_end_while_typing(engine: Engine, layout: LayoutName) -> None:
    """Also when the line is long, the suffix is near the budget, and a completion is accepted."""
    text = "".join(f"def function_{i}(x):\n    return x + {i}\n\n\n" for i in range(60))
    cursor = len(text) // 2
    session, options = PromptSession(), Options(layout=layout, max_tokens=1)
    await run_in(engine, session, Document(text, cursor), options)
    typed = "def added(values):\n    total = 0\n    for value in values:\n        total += value\n"
    for end in range(5, len(typed), 5):
        document = Document(text[:cursor] + typed[:end] + text[cursor:], cursor + end)
        completion = await run_in(engine, session, document, options)
        assert completion.stats.tokens_read <= 6, typed[:end]
    longer = replace(options, max_tokens=12, mode="free")
    completion = await run_in(engine, session, document, longer)
    accepted = document.prefix + completion.text
    document = Document(accepted + document.suffix, len(accepted))
    assert (await run_in(engine, session, document, options)).stats.tokens_read <= 8


async def test_a_word_that_was_begun_is_healed_in_the_anchored_layout(engine: Engine) -> None:
    text = BEFORE + AFTER
    session, options = PromptSession(), Options(layout="anchored", max_tokens=6)
    await run_in(engine, session, Document(text, len(BEFORE)), options)
    typed = "pars"
    document = Document(BEFORE + typed + AFTER, len(BEFORE) + len(typed))
    completion = await run_in(engine, session, document, options)
    pieces = await engine.pieces([token.id for token in completion.tokens if token.id >= 0])
    joined = b"".join(pieces).decode()
    assert completion.text and joined.rstrip().endswith(completion.text) and joined.rstrip() != completion.text


async def test_near_lines_first_then_the_whole_window(engine: Engine) -> None:
    text = "".join(f"def function_{i}(x):\n    return x + {i}\n\n\n" for i in range(60))
    document = Document(text, len(text) // 2)
    session, options = PromptSession(), Options(max_tokens=4, first_token_s=0.02)
    first = await run_in(engine, session, document, options)
    await session.finish_reading()
    second = await run_in(engine, session, document, options)
    assert len(first.prompt_ids) < 300 < 600 < len(second.prompt_ids)
    assert second.stats.tokens_read == 1


async def test_a_cursor_that_moves_keeps_what_is_read_and_has_it_read_again(engine: Engine) -> None:
    text = "".join(f"def function_{i}(x):\n    return x + {i}\n\n\n" for i in range(12))
    at, session = text.index("def function_7"), PromptSession()
    options = Options(max_tokens=2, first_token_s=10.0)
    first = await run_in(engine, session, Document(text, at), options)
    await session.finish_reading()
    moved = Document(text, text.index("def function_6"))
    second = await run_in(engine, session, moved, options)
    assert len(first.prompt_ids) == len(second.prompt_ids) > 150
    assert second.stats.tokens_read < 32
    await session.finish_reading()
    assert (await engine.estimate(second.prompt_ids)).approximate == 0
    third = await run_in(engine, session, moved, options)
    assert third.stats.tokens_read == 1


async def run_in(engine: Engine, session: PromptSession, document: Document, options: Options) -> Completion:
    updates = [update async for update in complete(document, engine, options, session)]
    assert isinstance(updates[-1], Completion)
    return updates[-1]


@pytest.mark.parametrize(
    ("code", "is_empty"),
    [
        ("def f():\n    |\n\n\ndef g():\n    pass\n", True),
        ("def f():\n|", True),
        ("def f():\n    |\n    return 1\n", False),
        ("def f():\n    x = 1\n    |\n", False),
        ("def f():\n    x|\n", False),
        ("x = {\n    |\n}\n", True),
        ('def f():\n    """What it does.\n\n    And how."""\n    |\n', True),
        ('x = """text"""\n|\n', False),
    ],
)
def test_where_a_block_was_opened_and_is_empty(code: str, is_empty: bool) -> None:
    prefix, _, suffix = code.partition("|")
    assert is_at_empty_block(prefix, suffix, language_of(Path("a.py"))) is is_empty


async def test_an_empty_block_gets_a_line_though_the_model_would_end_at_once() -> None:
    """The engine here ends at once unless its end tokens are ruled out."""
    asked: list[Request] = []

    class Ending(FakeEngine):
        async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
            asked.append(request)
            ruled_out = {id for id, bias in request.sampling.logit_bias if bias < -1e6}
            self.answers = ["return 1\nand more"] if set(self.info_value.end_ids) <= ruled_out else [""]
            async for event in super().generate(request):
                yield event

    prefix = "def f():\n    "
    completion, updates = await run(Ending(), Document(prefix + "\n\nx = 1\n", len(prefix)))
    assert (completion.text, len(asked)) == ("return 1", 2)
    assert "".join(update.text for update in updates if isinstance(update, TextDelta)) == "return 1"
    completion, _ = await run(Ending(), Document("x = 1\n\ny = 2\n", 6))
    assert (completion.text, len(asked)) == ("", 3)
