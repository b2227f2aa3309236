"""Whose turn it is: one engine for many who ask.

    waiting   keystroke 7, keystroke 9, generation 4        by urgency, then by age
    running   keystroke 5                                   goes on to its end, unless nobody wants it any more
              generation 3                                  pauses while a keystroke runs, and goes on where it was
    ahead     the newest text to be read ahead              has its turn when nobody runs or waits

What a completion gives goes into a queue of its own, as long as the completion at most: whoever reads slowly, or not at
all, holds up nobody else.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from enum import IntEnum

from localcoder.completion.complete import Completion, Options, TextDelta, complete, read_ahead
from localcoder.completion.document import Document
from localcoder.completion.prompt_session import PromptSession
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError

QUEUE_LIMIT = 64
"""Requests that may wait. Chosen: more than the editors of one person ask at once, few enough to answer in minutes."""
MAX_SESSIONS = 8
"""Texts that are gone on with. Chosen: the files that one person edits by turns; each costs a copy of its text."""
LONG_TOKENS = 256
"""From more tokens on a request is a long generation. Twice the 128 that llama.vim and llama.vscode ask for."""
_LATEST_TURN = 0.3
"""Share of the latest turn in the mean of what turns take. Chosen: ten turns after a change it shows the new one."""
_SAME_TEXT = 0.5
"""Likeness from which on a document is taken for a session's. What is wrongly taken for it costs time, no more."""


class Urgency(IntEnum):
    """What goes first; reading ahead comes after both."""

    KEYSTROKE = 0
    """Somebody waits for it with a finger on a key."""
    GENERATION = 1
    """A long text, or one for a program: evaluation, say."""

    @classmethod
    def of(cls, options: Options) -> Urgency:
        """What a request of somebody unknown is, by how much it asks for."""
        return cls.KEYSTROKE if options.max_tokens * options.alternatives <= LONG_TOKENS else cls.GENERATION


class Overtaken(LocalcoderError):
    """The same client has asked for something newer."""

    def __init__(self) -> None:
        super().__init__("A newer request of the same client took its place.", "Use the answer to that one.")


class Busy(LocalcoderError):
    """Too many requests wait. In about `retry_after_s` one of them has its turn, and leaves its place."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"{QUEUE_LIMIT} requests are waiting already.", f"Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


@dataclass(eq=False)
class _Job:
    """`events`: what it gives; an error is the last of them, as the completion is. Of a read ahead, only None."""

    document: Document
    options: Options
    client: Hashable | None = None
    urgency: Urgency = Urgency.KEYSTROKE
    events: asyncio.Queue[TextDelta | Completion | Exception | None] = field(default_factory=asyncio.Queue)
    is_wanted: bool = True

    @property
    def gives_way(self) -> bool:
        """Whether the engine can pause it."""
        return self.urgency is Urgency.GENERATION and self.options.alternatives == 1


class Scheduler:
    """Gives the engine to one request after the other; each text is gone on with in a session of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._waiting: list[_Job] = []
        """Oldest first."""
        self._ahead: _Job | None = None
        self._running: dict[_Job, asyncio.Task[None]] = {}
        """One at most that gives way, and one that does not."""
        self._turn_s: dict[Urgency, float] = {}
        """How long the latest ones took, on average."""
        self._is_ending = False
        self._sessions: list[PromptSession] = []
        """Least recently used first."""

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many have it."""
        return len(self._running)

    async def run(
        self, document: Document, options: Options, *, client: Hashable | None = None, urgency: Urgency | None = None
    ) -> AsyncGenerator[TextDelta | Completion, None]:
        """Text as it becomes certain, and the Completion at the end. Closing the iterator cancels the request.

        An earlier request of the same `client` ends with Overtaken; None is a client of its own each time. `urgency`
        None: by the options. A generation pauses for a keystroke, unless it is of several alternatives.
        Raises LocalcoderError: what the engine raises, Overtaken, and Busy.
        """
        job = _Job(document, options, client, Urgency.of(options) if urgency is None else urgency)
        self._enter(job)
        try:
            while True:
                event = await job.events.get()
                if isinstance(event, Exception):
                    raise event
                assert event is not None
                yield event
                if isinstance(event, Completion):
                    return
        finally:
            self._leave(job)

    async def read_ahead(self, document: Document, options: Options) -> None:
        """Begin to read ahead when no completion runs or waits, unless something newer is to be read by then.

        Raises LocalcoderError when the engine cannot serve it.
        """
        if self._is_ending:
            raise _ending()
        if self._ahead is not None:
            self._ahead.events.put_nowait(None)
        job = self._ahead = _Job(document, options)
        self._start_next()
        try:
            if (event := await job.events.get()) is not None:
                assert isinstance(event, Exception)
                raise event
        finally:
            self._leave(job)

    def end(self) -> None:
        """Give up what runs and what waits: the program is told to end."""
        self._is_ending = True
        for job in (*self._running, self._ahead, *self._waiting):
            if job is not None:
                job.events.put_nowait(_ending())
                self._leave(job)

    def _enter(self, job: _Job) -> None:
        if self._is_ending:
            raise _ending()
        present = [*self._running, *self._waiting]
        older = [each for each in present if each.client == job.client] if job.client is not None else []
        for each in older:
            each.events.put_nowait(Overtaken())
            self._leave(each)
        # Whoever had a place keeps it.
        if not older and len(self._waiting) >= QUEUE_LIMIT:
            raise Busy(self._place_free_s())
        self._waiting.append(job)
        self._start_next()

    def _leave(self, job: _Job) -> None:
        """Nobody wants this one any more; it may have come to its end."""
        if not job.is_wanted:
            return
        job.is_wanted = False
        if job in self._running:
            self._running[job].cancel()
        elif job is self._ahead:
            self._ahead = None
        elif job in self._waiting:
            self._waiting.remove(job)

    def _place_free_s(self) -> int:
        """Whole seconds until one of those that wait is likely to have its turn."""
        return max(1, math.ceil(self._turn_s.get(self._first_of_those_that_wait().urgency, 0.0)))

    def _first_of_those_that_wait(self) -> _Job:
        """The oldest of the most urgent ones."""
        return min(self._waiting, key=lambda each: each.urgency)

    def _start_next(self) -> None:
        if not all(each.gives_way for each in self._running):
            return
        if self._waiting:
            job = self._first_of_those_that_wait()
            if self._running and job.urgency is not Urgency.KEYSTROKE:
                return
            self._waiting.remove(job)
            work = self._complete(job)
        elif self._ahead is not None and not self._running:
            job, self._ahead = self._ahead, None
            work = self._read_ahead(job)
        else:
            return
        self._running[job] = task = asyncio.create_task(work)
        task.add_done_callback(lambda task: self._ended(job, task))

    def _ended(self, job: _Job, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            job.events.put_nowait(error)
        del self._running[job]
        self._start_next()

    async def _complete(self, job: _Job) -> None:
        begun = asyncio.get_running_loop().time()
        session, options = self._session_of(job), replace(job.options, gives_way=job.gives_way)
        async with aclosing(complete(job.document, self.engine, options, session)) as updates:
            async for update in updates:
                if isinstance(update, TextDelta | Completion):
                    job.events.put_nowait(update)
        turn_s = asyncio.get_running_loop().time() - begun
        before_s = self._turn_s.get(job.urgency, turn_s)
        self._turn_s[job.urgency] = before_s + _LATEST_TURN * (turn_s - before_s)

    async def _read_ahead(self, job: _Job) -> None:
        await read_ahead(job.document, self.engine, job.options, self._session_of(job))
        job.events.put_nowait(None)

    def _session_of(self, job: _Job) -> PromptSession:
        return PromptSession() if job.options.prompt_ids is not None else self._session(job.document)

    def _session(self, document: Document) -> PromptSession:
        """The session whose text is most like this one, if half of it is the same, or a new one."""
        if not document.text:
            # Nothing to know it by: llama.vim sends such requests to have `input_extra` read.
            return PromptSession()
        latest_first = self._sessions[::-1]
        session = max(latest_first, key=lambda each: each.likeness(document), default=None)
        if session is None or session.likeness(document) < _SAME_TEXT:
            session = PromptSession(slides=True)
        for other in self._sessions:
            if other is not session:
                other.another_was_asked()
        self._sessions = [*(each for each in self._sessions if each is not session), session][-MAX_SESSIONS:]
        return session


def _ending() -> LocalcoderError:
    return LocalcoderError("The server is ending.", "Start it again.")
