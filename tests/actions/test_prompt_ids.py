"""Prompts as token ids of a real vocabulary: control tokens by their published ids, each text by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.actions.chat import Turn, conversation, follows_instructions
from localcoder.actions.prompt import ids_of, named
from localcoder.actions.table import ACTIONS, ACTIONS_BY_NAME, can, offered, require
from localcoder.actions.unit_tests import test_path_of as where_tests_go
from localcoder.code.languages import by_name
from localcoder.engine.local import LocalEngine
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task

CODE = "import os\n\n\ndef total(values):\n    return sum(values)\n\n\nX = 1\n"


async def test_the_38_control_tokens_have_their_published_ids(engine: LocalEngine) -> None:
    model = await engine.info()
    assert model.control == tuple((name, i) for i, name in enumerate(CONTROL_NAMES))
    assert len(model.control) == 38


async def test_prompts_are_the_ids_of_the_published_formats(engine: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "go.mod").touch()
    path = tmp_path / "shop" / "a.py"
    model = await engine.info()

    async def asked(action: str, **more: object) -> list[int | str]:
        """The first prompt: control tokens as ids, the text between them as text."""
        task = make_task(CODE, "return sum", path=path, instruction="Say it")
        task = replace(task, test_path=where_tests_go(path, by_name("python")))
        ids = await ids_of(next(ACTIONS_BY_NAME[action].plan(task)).prompt, engine, model)
        taken: list[int | str] = []
        for i, piece in zip(ids, await engine.pieces(ids), strict=True):
            if i < 38:
                taken.append(i)
            elif taken and isinstance(taken[-1], str):
                taken[-1] += piece.decode()
            else:
                taken.append(piece.decode())
        return taken

    head = "import os\n\n\ndef total(values):\n    "
    body = "return sum(values)\n\n\nX = 1\n"
    assert await asked("docstring") == [
        5, "shop", 6, 1, "a.py\n" + head + '"""', 3, '"""\n    ' + body, 2,
    ]  # fmt: skip
    assert await asked("types") == [
        5, "shop", 6, 1, "a.py\nimport os\n\n\ndef total(values: ", 3, "):\n    " + body, 2,
    ]  # fmt: skip
    assert await asked("tests") == [
        5, "shop", 6, "a.py\n" + CODE, 6, "tests/test_a.py\nimport pytest\n\nfrom a import total\n\n\ndef test_total",
    ]  # fmt: skip
    assert await asked("explain") == [10, 12, "def total(values):\n    return sum(values)", 11]
    header, added = "@@ -1,6 +1,8 @@\n import os\n \n \n", "+def total(values):\n+    return sum(values)"
    assert await asked("change") == [
        18, "Title: Add total\nusername_0: Add total in a.py.", 19, "opened", 5, "shop",
        21, 22, "a.py", 23, "import os\n\n\n\n\nX = 1",
        24, 22, "a.py", 25, f"{header}{added}\n \n \n X = 1",
        30, 27, "1214093755", 22, "a.py", 33, "5", 25, header + added, 26, "username_1: Say it",
        24, 22, "a.py", 25, "@@ -1,6 +1,",
    ]  # fmt: skip


async def test_names_of_control_tokens_in_code_stay_text(engine: LocalEngine) -> None:
    model = await engine.info()
    prompt = named(("<jupyter_start>", ""), ("<jupyter_code>", "x = '<jupyter_text><pr>'"), ("<jupyter_text>", ""))
    ids = await ids_of(prompt, engine, model)
    assert [i for i in ids if i < 38] == [10, 12, 11]


async def test_a_conversation_is_written_as_the_template_writes_it(engine: LocalEngine) -> None:
    model = await engine.info()
    system = (
        "You are an exceptionally intelligent coding assistant that consistently delivers accurate and reliable "
        "responses to user instructions.\n\n"
    )
    prompt = conversation([Turn("user", "One."), Turn("assistant", "Two."), Turn("user", "Three.")], "Fo")
    ids = await ids_of(prompt, engine, model)
    assert b"".join(await engine.pieces(ids)).decode() == (
        f"<|endoftext|>{system}### Instruction\nOne.\n\n### Response\nTwo.<|endoftext|>\n\n"
        "### Instruction\nThree.\n\n### Response\nFo"
    )
    assert ids[0] == 0 and ids.count(0) == 2


async def test_a_model_offers_what_its_vocabulary_can(engine: LocalEngine) -> None:
    model = await engine.info()
    assert offered(model) == ACTIONS and not follows_instructions(model)
    bare = replace(model, control=model.control[:7])
    assert [action.name for action in offered(bare)] == ["docstring", "types", "fill", "tests"]
    with pytest.raises(LocalcoderError, match="cannot explain"):
        require(bare, ACTIONS_BY_NAME["explain"])
    with pytest.raises(LocalcoderError, match="no token <pr>"):
        await ids_of(named(("<pr>", "x")), engine, bare)
    taught = replace(bare, chat_template="{{ '### Instruction\n' }}{{ '### Response\n' }}")
    assert follows_instructions(taught) and all(can(taught, action) for action in ACTIONS)
    assert not follows_instructions(replace(bare, chat_template="<|im_start|>"))
    assert follows_instructions(replace(bare, name="starcoder2-15b-instruct-v0.1-Q4_K_M"))
