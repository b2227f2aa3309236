"""What is in the prompts of the HTTP endpoints: the text around the cursor, and nothing of anybody else's."""

import json
from collections.abc import Iterator, Sequence

import httpx
import pytest

from localcoder.completion.complete import Completion, Options
from localcoder.completion.document import Document
from localcoder.completion.scheduler import Scheduler
from tests.completion.word_engine import Prompt, WordEngine, read_prompt
from tests.serve.test_http import events, start, stop

LICENCE = "# Copyright of those who wrote this. You may use it for what you like, and so may everybody else.\n" * 4
BEFORE = 'def area(shape):\n    """Of a square."""\n    side = '
AFTER = "\n    return side * side\n\n\ndef main():\n    print(area(read_shape()))\n"
FUNCTIONS = [f"def function_{i}(value):\n    return value + {i}\n\n\n" for i in range(200)]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A server of its own for each test: what others did before must not help."""
    process, url = start()
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client
    assert "Traceback" not in stop(process)


def ask(http: httpx.Client, before: str, after: str, extra: Sequence[dict[str, str]] = (), **fields: object) -> Prompt:
    body = {"input_prefix": before, "input_suffix": after, "input_extra": list(extra), "n_predict": 1}
    answer = http.post("/infill", json={**body, "first_token_budget_ms": 0, **fields}).json()
    return read_prompt(answer["prompt"])


def ring_update(http: httpx.Client, *extra: dict[str, str]) -> None:
    body = {"input_prefix": "", "input_suffix": "", "prompt": "", "n_predict": 0, "input_extra": list(extra)}
    assert http.post("/infill", json=body).status_code == 200


def assert_whole(prompt: Prompt, before: str, after: str) -> None:
    assert (prompt.prefix, prompt.suffix, prompt.snippets) == (before, after, ())


def test_the_prompt_is_given_as_text_streamed_or_not(http: httpx.Client) -> None:
    body = {"input_prefix": BEFORE + "é", "input_suffix": AFTER, "n_predict": 2, "first_token_budget_ms": 0}
    expected = f"<fim_prefix><fim_suffix>{AFTER}<fim_middle>{BEFORE}é"
    assert http.post("/infill", json=body).json()["prompt"] == expected
    with http.stream("POST", "/infill", json={**body, "stream": True}) as response:
        *rest, last = events(response)
    assert last["prompt"] == expected and not any("prompt" in event for event in rest)
    anchored = ask(http, BEFORE + "sha", AFTER, layout="anchored")
    assert_whole(anchored, BEFORE + "sha", AFTER)


def test_code_behind_the_cursor_is_in_after_the_end_of_the_file_was_completed(http: httpx.Client) -> None:
    assert_whole(ask(http, BEFORE + AFTER, ""), BEFORE + AFTER, "")
    assert_whole(ask(http, BEFORE, AFTER), BEFORE, AFTER)
    assert_whole(ask(http, BEFORE + AFTER, "\n"), BEFORE + AFTER, "\n")
    assert_whole(ask(http, BEFORE, AFTER + "\n"), BEFORE, AFTER + "\n")


def test_code_behind_the_cursor_is_in_after_a_paste_into_an_empty_buffer_and_after_a_ring_update(
    http: httpx.Client,
) -> None:
    assert_whole(ask(http, "", ""), "", "")
    assert_whole(ask(http, BEFORE, AFTER), BEFORE, AFTER)
    ring_update(http)
    assert_whole(ask(http, "# new\n" + BEFORE, AFTER), "# new\n" + BEFORE, AFTER)


def test_files_with_the_same_licence_have_prompts_of_their_own(http: httpx.Client) -> None:
    first = LICENCE + "import requests\n\nAPI_KEY = 'a-secret'\n"
    assert_whole(ask(http, first, ""), first, "")
    second = LICENCE + "import math\n\n"
    assert_whole(ask(http, second, AFTER), second, AFTER)
    assert_whole(ask(http, first, "\n"), first, "\n")
    assert_whole(ask(http, LICENCE, ""), LICENCE, "")


def test_pieces_of_other_files_are_in_while_they_are_sent(http: httpx.Client) -> None:
    helper = {"filename": "helper.py", "text": "def helper():\n    return 42\n"}
    other = {"filename": "other.py", "text": "def other():\n    return 43\n"}
    ring_update(http, helper)
    assert_whole(ask(http, "def fresh():\n    return ", ""), "def fresh():\n    return ", "")
    both = ask(http, BEFORE, AFTER, [helper, other])
    assert [piece.partition("\n")[0] for piece in both.snippets] == ["helper.py", "other.py"]
    assert ask(http, BEFORE + "s", AFTER, [other]).snippets == both.snippets[1:]
    assert_whole(ask(http, BEFORE + "si", AFTER), BEFORE + "si", AFTER)


def test_deleted_lines_are_not_in_whether_or_not_the_client_slides(http: httpx.Client) -> None:
    lines = "".join(FUNCTIONS[:30]).splitlines(True)
    after = "".join(FUNCTIONS[60:63])

    def sent(count: int) -> str:
        return "".join(lines[-count:])

    assert_whole(ask(http, sent(100), after), sent(100), after)
    # The client slides: what it drops while lines are typed stays in.
    dropped = sent(100)
    lines += ["def typed(value):\n", "    return value\n"]
    assert ask(http, sent(100), after).prefix == dropped + "".join(lines[-2:])
    # The first lines that it sends are gone, and it cannot make up for them: nothing of them is in.
    assert_whole(ask(http, sent(70), after), sent(70), after)
    del lines[-60:-50]
    assert_whole(ask(http, sent(60), after), sent(60), after)


async def test_what_a_client_no_longer_sends_is_out_as_soon_as_somebody_else_asked() -> None:
    """They may have the same file open, elsewhere, and have deleted it."""
    engine = WordEngine()
    scheduler, options = Scheduler(engine), Options(with_prompt=True)
    text, after = "".join(FUNCTIONS[:60]), "".join(FUNCTIONS[60:63])

    async def prefix_of(typed: str) -> tuple[str, str]:
        before = "".join((text + typed).splitlines(True)[-100:])
        document = Document(before + after, len(before))
        *_, completion = [update async for update in scheduler.run(document, options)]
        assert isinstance(completion, Completion)
        return read_prompt(completion.prompt).prefix, before

    first, _ = await prefix_of("")
    held, sent = await prefix_of("a = 1\nb = 2\n")
    assert held == first + "a = 1\nb = 2\n" != sent
    elsewhere = Document("".join(FUNCTIONS[100:110]), 80)
    [update async for update in scheduler.run(elsewhere, options)]
    held, sent = await prefix_of("a = 1\nb = 2\n")
    assert held == sent
    held, _ = await prefix_of("a = 1\nb = 2\nc = 3\n")
    assert held == sent + "c = 3\n"


async def test_requests_without_a_text_leave_the_sessions_alone() -> None:
    scheduler, options = Scheduler(WordEngine()), Options(with_prompt=True, layout="anchored", max_prompt_tokens=40)
    document = Document(BEFORE + AFTER, len(BEFORE))
    for i in range(20):
        await scheduler.read_ahead(Document("", 0), options)
        typed = Document(BEFORE + "x" * i + AFTER, len(BEFORE) + i)
        *_, completion = [update async for update in scheduler.run(typed, options)]
        assert isinstance(completion, Completion)
        # What was typed since the first request stands behind <fim_middle>.
        assert completion.prompt.endswith("<fim_middle>" + "x" * i)
    assert document.text


def test_openai_answers_have_no_prompt(http: httpx.Client) -> None:
    answer = http.post("/v1/completions", json={"prompt": BEFORE, "suffix": AFTER, "max_tokens": 1})
    assert "fim_" not in json.dumps(answer.json())
