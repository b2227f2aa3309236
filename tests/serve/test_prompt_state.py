"""Whatever people do in their files, with whatever editors, a prompt holds what stands around the cursor and no more.

The model of it is as simple as can be: the texts of the files, and what was sent with the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from localcoder.completion.complete import Completion, Options, TextDelta, Update, complete
from localcoder.completion.document import Document, Snippet
from localcoder.completion.layout import LayoutName
from localcoder.completion.prompt_session import PromptSession
from localcoder.completion.scheduler import Scheduler
from tests.completion.word_engine import Prompt, WordEngine, count_tokens, read_prompt

LICENCE = "".join(f"# {i}. Redistributions of the source have to keep this notice in clause {i}.\n" for i in range(9))
LINES_BEFORE, LINES_AFTER = 40, 10
SLACK = 0.4
"""Of the tokens that a new session shows on each side, the least that one which goes on has to show: half of them, but
how many characters a token covers differs from line to line."""


@dataclass
class File:
    """`client`: "app" has a session of its own; "whole" and "lines" ask the server, with all of it or lines of it."""

    text: str
    client: str
    cursor: int = 0
    session: PromptSession = field(default_factory=PromptSession)
    undo: list[tuple[str, int]] = field(default_factory=list)

    def sent(self) -> Document:
        if self.client != "lines":
            return Document(self.text, self.cursor)
        before, after = self.text[: self.cursor], self.text[self.cursor :]
        before = "".join(before.splitlines(True)[-LINES_BEFORE:])
        return Document(before + "".join(after.splitlines(True)[:LINES_AFTER]), len(before))


class Prompts(RuleBasedStateMachine):
    @initialize(
        clients=st.lists(st.sampled_from(["app", "whole", "lines"]), min_size=2, max_size=4),
        lengths=st.lists(st.integers(0, 160), min_size=4, max_size=4),
        heads=st.lists(st.sampled_from(["", LICENCE, "#!/bin/sh {i}\n" + LICENCE]), min_size=4, max_size=4),
    )
    def open_files(self, clients: list[str], lengths: list[int], heads: list[str]) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine = WordEngine()
        self.scheduler = Scheduler(self.engine)
        self.options = Options(max_prompt_tokens=1500, max_tokens=4, with_prompt=True)
        self.extra: tuple[Snippet, ...] = ()
        self.counter = 0
        self.files = [
            File(head.replace("{i}", str(i)) + self.lines(f"file{i}", length), client)
            for i, (client, length, head) in enumerate(zip(clients, lengths, heads, strict=False))
        ]
        self.file = self.files[0]

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def lines(self, name: str, count: int) -> str:
        """Most of them are like no others."""
        made = []
        for _ in range(count):
            self.counter += 1
            made.append(
                "    return None\n"
                if self.counter % 9 == 0
                else f"{name}_{self.counter} = compute({name}, {self.counter}, {self.counter} + 1)\n"
            )
        return "".join(made)

    def change(self, text: str, cursor: int) -> None:
        self.file.undo.append((self.file.text, self.file.cursor))
        self.file.text, self.file.cursor = text, cursor
        if self.file.client == "lines":
            # What such a client does not send can be known to be there only while it tells of every change.
            self.ask()

    def replace(self, start: int, end: int, text: str) -> None:
        self.change(self.file.text[:start] + text + self.file.text[end:], start + len(text))

    @rule(i=st.integers(0, 3))
    def switch(self, i: int) -> None:
        self.file = self.files[i % len(self.files)]

    @rule(where=st.floats(0, 1))
    def jump(self, where: float) -> None:
        self.file.cursor = round(where * len(self.file.text))

    @rule(lines=st.integers(-12, 12))
    def move(self, lines: int) -> None:
        starts = [0, *(i + 1 for i, c in enumerate(self.file.text) if c == "\n")]
        number = self.file.text.count("\n", 0, self.file.cursor) + lines
        self.file.cursor = starts[min(max(number, 0), len(starts) - 1)]

    @rule(text=st.sampled_from(["x", " ", "\n", "name", "(", "    ", "}", "\n\n", "None\n", "a\nb\nc\n", "é🙂"]))
    def type(self, text: str) -> None:
        self.replace(self.file.cursor, self.file.cursor, text)

    @rule(count=st.integers(1, 15), ask=st.booleans())
    def type_lines(self, count: int, ask: bool) -> None:
        for _ in range(count):
            self.replace(self.file.cursor, self.file.cursor, self.lines("typed", 1))
            if ask:
                self.ask()

    @rule(count=st.integers(1, 60))
    def erase(self, count: int) -> None:
        self.replace(max(0, self.file.cursor - count), self.file.cursor, "")

    @rule(where=st.floats(0, 1), count=st.integers(1, 2000), comes_back=st.booleans())
    def delete_somewhere(self, where: float, count: int, comes_back: bool) -> None:
        start, cursor = round(where * len(self.file.text)), self.file.cursor
        end = min(len(self.file.text), start + count)
        self.replace(start, end, "")
        if comes_back:
            self.file.cursor = start if start <= cursor < end else cursor - (end - start) * (cursor >= end)

    @rule(count=st.integers(1, 8))
    def delete_the_first_lines(self, count: int) -> None:
        cut = len("".join(self.file.text.splitlines(True)[:count]))
        cursor = max(0, self.file.cursor - cut)
        if len(self.file.sent().prefix) < self.file.cursor:
            # Nobody would know of it otherwise.
            self.replace(0, cut, "")
            self.file.cursor = cursor
        else:
            self.change(self.file.text[cut:], cursor)

    @rule(count=st.integers(1, 120))
    def paste(self, count: int) -> None:
        self.replace(self.file.cursor, self.file.cursor, self.lines("pasted", count))

    @rule(i=st.integers(0, 3))
    def paste_another_file(self, i: int) -> None:
        if len(self.file.text) < 20_000:
            self.replace(self.file.cursor, self.file.cursor, self.files[i % len(self.files)].text)

    @precondition(lambda self: self.file.undo)
    @rule()
    def undo(self) -> None:
        self.file.text, self.file.cursor = self.file.undo.pop()
        if self.file.client == "lines":
            self.ask()

    @rule()
    def clear(self) -> None:
        self.change("", 0)

    @rule(count=st.integers(0, 3), length=st.integers(0, 30))
    def send_other_pieces(self, count: int, length: int) -> None:
        self.extra = tuple(Snippet(f"other{i}.py", self.lines("other", length)) for i in range(count))

    @rule()
    def send_one_piece_less(self) -> None:
        self.extra = self.extra[1:]

    @rule()
    def ring_update(self) -> None:
        document = Document("", 0, snippets=self.extra)
        self.loop.run_until_complete(self.scheduler.read_ahead(document, self.options))
        self.loop.run_until_complete(asyncio.sleep(0))

    @rule(tokens=st.sampled_from([60, 200, 600, 1500]))
    def set_budget(self, tokens: int) -> None:
        self.options = replace(self.options, max_prompt_tokens=tokens)

    @rule(seconds=st.sampled_from([None, 0.2, 1.0]), tokens_per_s=st.sampled_from([300.0, 1e6]))
    def set_patience(self, seconds: float | None, tokens_per_s: float) -> None:
        self.options, self.engine.tokens_per_s = replace(self.options, first_token_s=seconds), tokens_per_s

    @rule(layout=st.sampled_from(["spm", "psm", "anchored"]))
    def set_layout(self, layout: LayoutName) -> None:
        self.options = replace(self.options, layout=layout)

    @rule()
    def ask(self) -> None:
        document = replace(self.file.sent(), snippets=self.extra)
        prompt = self.prompt_of(document, self.engine, None if self.file.client != "app" else self.file.session)
        before, after = self.file.text[: self.file.cursor], self.file.text[self.file.cursor :]
        assert before.endswith(prompt.prefix), "the text before the cursor is what stands there"
        assert after.startswith(prompt.suffix), "the text after the cursor is what stands there"
        assert set(prompt.snippets) <= {f"{each.path}\n{each.text}" for each in self.extra}
        fresh = self.prompt_of(document, WordEngine(self.engine.tokens_per_s), PromptSession())
        for held, new, sent in (
            (prompt.prefix, fresh.prefix, document.prefix),
            (prompt.suffix, fresh.suffix, document.suffix),
        ):
            assert held.endswith(sent) or count_tokens(held) >= SLACK * count_tokens(new)
        if (fresh.prefix, fresh.suffix) == (document.prefix, document.suffix) and not self.extra:
            assert prompt.prefix.endswith(document.prefix) and prompt.suffix == document.suffix, "all of it fits"

    def prompt_of(self, document: Document, engine: WordEngine, session: PromptSession | None) -> Prompt:
        async def last() -> Completion:
            updates: AsyncGenerator[Update, None] | AsyncGenerator[TextDelta | Completion, None]
            if session is None:
                updates = self.scheduler.run(document, self.options)
            else:
                updates = complete(document, engine, self.options, session)
            *_, completion = [update async for update in updates]
            await asyncio.sleep(0)
            assert isinstance(completion, Completion)
            return completion

        return read_prompt(self.loop.run_until_complete(last()).prompt)


def test_any_history_of_edits_files_and_clients() -> None:
    run_state_machine_as_test(Prompts, settings=settings(deadline=None, max_examples=40, stateful_step_count=40))
