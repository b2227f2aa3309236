"""Which prompts one session makes, one after the other and at once."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

from localcoder.completion.document import Document, Snippet
from localcoder.completion.prompt_session import Limits, PromptSession
from localcoder.engine.api import ReadEstimate
from tests.completion.word_engine import INFO, Prompt, WordEngine, read_prompt

LINES = [f"line_{i} = compute({i})\n" for i in range(400)]
FAR = Limits(600, 16, None)


class SlowEngine(WordEngine):
    """Others get their turn whenever it is asked something."""

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        await asyncio.sleep(0)
        return await super().tokenize(texts)

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        await asyncio.sleep(0)
        return await super().estimate(ids)


async def prompt(session: PromptSession, engine: WordEngine, document: Document, limits: Limits = FAR) -> Prompt:
    plan = await session.plan(document, engine, INFO, "spm", limits)
    return read_prompt(b"".join(await engine.pieces(plan.ids)).decode())


def at_line(number: int, snippets: tuple[Snippet, ...] = ()) -> Document:
    before = "".join(LINES[:number])
    return Document("".join(LINES), len(before), snippets=snippets)


async def test_plans_that_overtake_one_another_are_each_of_their_own_document() -> None:
    session, engine = PromptSession(), SlowEngine(tokens_per_s=300.0)
    before, after = at_line(200).prefix, at_line(200).suffix
    documents = [Document(before + f"typed_{i}\n" + after, len(before) + 8) for i in range(9)]
    for seconds in (None, 0.5, 0.5, None):
        limits = Limits(600, 16, seconds)
        prompts = await asyncio.gather(*(prompt(session, engine, document, limits) for document in documents))
        for document, made in zip(documents, prompts, strict=True):
            assert document.prefix.endswith(made.prefix) and document.suffix.startswith(made.suffix)
            assert made.prefix and made.suffix


async def test_pieces_that_do_not_fit_do_not_make_each_prompt_a_new_one() -> None:
    too_large = (Snippet("large.py", "x = 1\n" * 5000),)
    session, engine = PromptSession(), WordEngine()
    first = await prompt(session, engine, at_line(200, too_large))
    for i in range(1, 8):
        typed = "typed = 1\n" * i
        document = at_line(200, too_large)
        document = Document(document.prefix + typed + document.suffix, document.cursor + len(typed), None, too_large)
        assert (await prompt(session, engine, document)).prefix == first.prefix + typed


async def test_pieces_keep_their_places_while_they_are_sent() -> None:
    one, two, three = (Snippet(f"{name}.py", f"{name} = 1\n") for name in ("one", "two", "three"))
    session, engine = PromptSession(), WordEngine()

    async def names(*snippets: Snippet, limits: Limits = FAR) -> list[str]:
        made = await prompt(session, engine, at_line(200, snippets), limits)
        return [snippet.partition(".")[0] for snippet in made.snippets]

    assert await names(one, two) == ["one", "two"]
    assert await names(two, one) == ["one", "two"]
    assert await names(three, two) == ["two", "three"]
    assert await names(two, three, limits=Limits(20, 16, None)) in (["two"], ["three"], [])
    assert await names() == []


async def test_a_document_that_fits_again_goes_in_whole() -> None:
    session, engine = PromptSession(), WordEngine()
    assert (await prompt(session, engine, at_line(200))).prefix != at_line(200).prefix
    short = Document("".join(LINES[180:220]), len("".join(LINES[180:200])))
    whole = await prompt(session, engine, short)
    assert (whole.prefix, whole.suffix) == (short.prefix, short.suffix)
    wider = await prompt(session, engine, at_line(200), Limits(4000, 16, None))
    assert (wider.prefix, wider.suffix) == (at_line(200).prefix, at_line(200).suffix)


async def test_reading_on_grows_the_window_until_it_is_the_full_one() -> None:
    session, engine = PromptSession(), WordEngine(tokens_per_s=60.0)
    limits = Limits(1500, 16, 0.5)
    plan = await session.plan(at_line(200), engine, INFO, "spm", limits)
    assert len(plan.ids) < 60 and plan.background_ids is not None
    session.read_on(plan)
    await asyncio.wait_for(session.finish_reading(), 10)
    sizes = [len(ids) for ids in engine.warmed]
    assert engine.warmed[-1] == plan.background_ids and len(plan.background_ids) > 1000
    assert all(smaller < larger <= 2 * smaller for smaller, larger in itertools.pairwise(sizes[:-1]))


async def test_a_request_in_the_middle_of_a_stage_does_not_end_the_growing() -> None:
    """It rests on what the stage has read by then; the next stage is a little larger, and not the whole window."""

    has_read = asyncio.Event()

    class Interrupted(WordEngine):
        async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
            await super().warm(ids, exact=exact)
            if len(self.warmed) == 2:
                has_read.set()
                await asyncio.sleep(60)

    session, engine = PromptSession(), Interrupted(tokens_per_s=60.0)
    limits = Limits(1500, 16, 0.5)
    session.read_on(await session.plan(at_line(200), engine, INFO, "spm", limits))
    await has_read.wait()
    plan = await session.plan(at_line(200), engine, INFO, "spm", limits)
    assert plan.ids == engine.warmed[1]
    session.read_on(plan)
    await asyncio.wait_for(session.finish_reading(), 10)
    sizes = [len(ids) for ids in engine.warmed[2:-1]]
    assert sizes[0] == len(plan.ids)
    assert all(smaller < larger <= 2 * smaller for smaller, larger in itertools.pairwise(sizes))


async def test_reading_on_ends_where_only_pieces_of_other_files_are_left() -> None:
    snippets = (Snippet("other.py", "x = compute(1)\n" * 60),)
    session, engine = PromptSession(), WordEngine(tokens_per_s=60.0)
    document = Document("".join(LINES[:6]), 40, snippets=snippets)
    plan = await session.plan(document, engine, INFO, "spm", Limits(1500, 16, 0.5))
    assert plan.background_ids is not None
    session.read_on(plan)
    await asyncio.wait_for(session.finish_reading(), 10)
    assert engine.warmed[-1] == plan.background_ids


async def test_a_new_plan_ends_the_reading() -> None:
    class Endless(WordEngine):
        ended = 0

        async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                self.ended += 1

    session, engine = PromptSession(), Endless(tokens_per_s=60.0)
    for expected in (0, 1, 2):
        plan = await asyncio.wait_for(session.plan(at_line(200), engine, INFO, "spm", Limits(1500, 16, 0.5)), 10)
        assert engine.ended == expected
        session.read_on(plan)
        await asyncio.sleep(0)
    await session.stop_reading()


HEAD = (Snippet("a.py", "def one(x: int) -> int: ...\n" * 6), Snippet("b.py", "class Two: ...\n" * 6))


async def test_the_head_stands_first_before_other_pieces() -> None:
    session, engine = PromptSession(), WordEngine()
    document = replace(at_line(200, (Snippet("open.py", "x = 1\n"),)), head=HEAD)
    names = [piece.partition("\n")[0] for piece in (await prompt(session, engine, document)).snippets]
    assert names == ["a.py", "b.py", "open.py"]


async def test_a_head_that_is_too_large_for_a_small_prompt_is_there_in_part() -> None:
    session, engine = PromptSession(), WordEngine()
    document = replace(at_line(200), head=(Snippet("large.py", "x = 1\n" * 5000), *HEAD))
    first = await prompt(session, engine, document)
    assert [piece.partition("\n")[0] for piece in first.snippets] == ["a.py", "b.py"]
    typed = Document(document.prefix + "typed = 1\n" + document.suffix, document.cursor + 10, head=document.head)
    assert (await prompt(session, engine, typed)).prefix == first.prefix + "typed = 1\n"


async def test_another_head_never_makes_the_answer_rest_on_less() -> None:
    """While it is not read, what was read before serves; afterwards the prompt begins with it."""
    session, engine = PromptSession(), WordEngine(tokens_per_s=60.0)
    limits = Limits(1500, 16, 0.5)
    shown = 0
    for head in ((), HEAD, HEAD[:1], ()):
        document = replace(at_line(200), head=head)
        for _ in range(2):
            plan = await session.plan(document, engine, INFO, "spm", limits)
            if shown:
                assert len(plan.ids) > 0.7 * shown
            session.read_on(plan)
            await asyncio.wait_for(session.finish_reading(), 10)
        made = read_prompt(b"".join(await engine.pieces(plan.ids)).decode())
        assert len(made.snippets) == len(head) and plan.window is plan.full
        shown = len(plan.ids)


async def test_a_head_that_comes_late_finds_a_window_that_grew() -> None:
    """What was typed since it was chosen made it larger than a new one would be: it serves nevertheless."""
    session, engine = PromptSession(), WordEngine(tokens_per_s=60.0)
    limits = Limits(1500, 16, 0.5)

    async def shown(document: Document) -> int:
        plan = await session.plan(document, engine, INFO, "spm", limits)
        session.read_on(plan)
        await asyncio.wait_for(session.finish_reading(), 10)
        return len(plan.ids)

    document, size = at_line(200), 0
    for _ in range(60):
        document = Document(document.prefix + "typed = 1\n" + document.suffix, document.cursor + 10)
        size = await shown(document)
        if size > limits.max_prompt_tokens:
            break
    assert size > limits.max_prompt_tokens
    assert await shown(replace(document, head=HEAD)) > 0.9 * size


async def test_a_head_leaves_room_for_text_that_takes_many_tokens() -> None:
    """As Chinese does: the head does not shrink with what is around the cursor, nor may that become next to nothing."""
    session, engine = PromptSession(), WordEngine()
    line = "# " + "+-" * 20 + "\n"
    for budget in (100, 300, 600):
        limits = Limits(budget, 16, None)
        head = (Snippet("a.py", "function " * (budget // 18)),)
        document = Document(line * 400, len(line) * 200, head=head)
        made = await session.plan(document, engine, INFO, "spm", limits)
        assert made.window.head == head
        assert 0.8 * budget < len(made.ids) <= budget and len(made.window.prefix) > len(made.window.suffix) > 0


async def test_pieces_that_repeat_the_lines_around_the_cursor_stay_out() -> None:
    session, engine = PromptSession(), WordEngine()
    same, other = Snippet("same.py", "".join(LINES[190:210])), Snippet("other.py", "import sys\nprint(sys.path)\n")
    made = await prompt(session, engine, at_line(200, (same, other)))
    assert [piece.partition("\n")[0] for piece in made.snippets] == ["other.py"]
