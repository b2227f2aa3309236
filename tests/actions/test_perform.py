from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.actions.asking import Task
from localcoder.actions.perform import ActionOptions, Done, Reading, Update, Writing, perform
from localcoder.actions.table import ACTIONS_BY_NAME
from localcoder.completion.document import Document
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task
from tests.tui.fake_engine import INFO, FakeEngine

MODEL = replace(INFO, control=tuple((name, i) for i, name in enumerate(CONTROL_NAMES[:9])), redaction_ids=(34,))
CODE = "def f(a):\r\n    return a\r\n"


def engine(*answers: str, **more: object) -> FakeEngine:
    return FakeEngine(list(answers), info_value=replace(MODEL, **more))  # type: ignore[arg-type]


async def updates(action: str, task: Task, engine: FakeEngine, options: ActionOptions | None = None) -> list[Update]:
    return [update async for update in perform(ACTIONS_BY_NAME[action], task, engine, options)]


async def test_what_is_read_and_written_is_told_and_line_ends_are_kept() -> None:
    fake = engine('Gives it.\n\n    All."""\nx = 1')
    found = await updates("docstring", make_task(CODE, "return"), fake)
    assert isinstance(found[0], Reading) and found[0].what == "the docstring of `f`"
    drafts = [update.so_far.after for update in found if isinstance(update, Writing)]
    assert drafts[-1] == 'def f(a):\r\n    """Gives it.\r\n\r\n    All.\r\n    """\r\n    return a\r\n'
    done = found[-1]
    assert isinstance(done, Done) and done.outcome.after == drafts[-1] and done.outcome.before == CODE
    assert done.model == "fake" and done.tokens_generated == len('Gives it.\n\n    All."""\nx = 1')
    # The engine was told when no more was wanted, and never to write redacted names.
    assert fake.cancelled == 1 and (34, -1e9) in fake.requests[0].sampling.logit_bias
    assert 1 in fake.requests[0].ids and fake.requests[0].ids[-1] == 2


async def test_several_questions_go_one_after_the_other() -> None:
    fake = engine("int", "str")
    found = await updates("types", make_task("def f(a):\n    return a\n"), fake, ActionOptions(max_tokens=5))
    assert isinstance(found[-1], Done) and found[-1].outcome.after == "def f(a: int) -> str:\n    return a\n"
    assert [request.max_tokens for request in fake.requests] == [5, 5]


async def test_closing_it_cancels_what_runs() -> None:
    fake = FakeEngine(["x" * 1000], info_value=MODEL, token_s=0.001)
    running = perform(ACTIONS_BY_NAME["docstring"], make_task(CODE), fake)
    async with aclosing(running):
        async for update in running:
            if isinstance(update, Writing):
                break
    await asyncio.sleep(0)
    assert fake.cancelled == 1


async def test_a_model_is_only_asked_for_what_it_can() -> None:
    with pytest.raises(LocalcoderError, match="fake cannot explain"):
        await updates("explain", make_task(CODE), engine("x"))
    fake = engine("It gives it.", chat_template="### Instruction ### Response")
    found = await updates("explain", make_task(CODE), fake)
    assert isinstance(found[-1], Done) and found[-1].outcome.explanation == "It gives it."
    assert fake.requests[0].ids[0] == 0


async def test_what_does_not_fit_the_context_is_said() -> None:
    with pytest.raises(LocalcoderError, match="too long"):
        await updates("docstring", make_task(CODE), engine("x", n_ctx_train=10))


async def test_files_that_are_never_sent_are_not(tmp_path: Path) -> None:
    task = replace(make_task(CODE), document=Document(CODE, 0, tmp_path / "secrets" / "a.py"))
    options = ActionOptions(never_sent=("secrets/*",))
    with pytest.raises(LocalcoderError, match="never sent"):
        await updates("docstring", task, engine("x", host="box"), options)
    tests = replace(make_task(CODE, path=tmp_path / "a.py"), test_path=tmp_path / "secrets" / "test_a.py")
    with pytest.raises(LocalcoderError, match="never sent"):
        await updates("tests", tests, engine("x", host="box"), options)
