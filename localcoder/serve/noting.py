"""What clients take of suggestions, noted in the log: they do not say it, so their later texts have to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from localcoder.code.guess import language_at
from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document
from localcoder.completion.scheduler import Scheduler
from localcoder.evaluate.acceptance.later import Later, Settled, with_newlines
from localcoder.evaluate.acceptance.log import LogWriter
from localcoder.evaluate.acceptance.record import Record, Suggestion, make_record
from localcoder.evaluate.acceptance.standing import Place
from localcoder.evaluate.acceptance.watch import Watch


class Noting:
    """One server's. `warn` is called once, with why the log cannot be written."""

    def __init__(self, *, keep_text: bool, warn: Callable[[str], None]) -> None:
        self._keep_text = keep_text
        self._warn = warn
        self._writer = LogWriter()
        self._later = Later(self._settled)
        self._watch: Watch[None] = Watch(self._write, is_window=True)

    def seen(self, document: Document) -> None:
        """A client has this text now. Looked at when the answer is on its way."""
        if document.text:
            asyncio.get_running_loop().call_soon(self._look, document, time.monotonic())

    def _look(self, document: Document, now_s: float) -> None:
        plain = with_newlines(document)
        self._later.seen(plain, now_s)
        self._watch.look(lambda _: plain, now_s)

    async def run(
        self, scheduler: Scheduler, document: Document, options: Options, client: str | None
    ) -> AsyncGenerator[TextDelta | Completion, None]:
        """What the scheduler gives."""
        asked_at, first_text_s = time.monotonic(), None
        self.seen(document)
        async with aclosing(scheduler.run(document, replace(options, logprobs=True), client=client)) as updates:
            async for update in updates:
                took_s = time.monotonic() - asked_at
                if first_text_s is None:
                    first_text_s = took_s
                if isinstance(update, Completion) and update.text.strip() and document.text and not update.others:
                    info = await scheduler.engine.info()
                    suggestion = Suggestion(
                        face="serve",
                        model=info.name,
                        quantization=info.type_name,
                        language=_language(document),
                        text=update.text.replace("\r\n", "\n"),
                        first_text_s=first_text_s,
                        whole_s=took_s,
                        first_line_confidence=update.first_line_confidence,
                        confidence=update.confidence,
                    )
                    self._later.answered(suggestion, document, at=time.time(), now_s=time.monotonic())
                yield update

    def close(self) -> None:
        """The server ends: what of the last suggestions was taken nobody will know."""
        self._later.close()
        self._watch.close()
        self._writer.close()
        self._complain()

    def _settled(self, settled: Settled) -> None:
        taken = settled.taken_text
        record = make_record(settled.suggestion, settled.at, settled.taken, taken, keep_text=self._keep_text)
        if not taken:
            self._write(record)
            return
        document = settled.document
        start, end = document.cursor, document.cursor + len(taken)
        place = Place(document.prefix + taken + document.suffix, start, end)
        self._watch.begin(record, place, None, time.monotonic())

    def _write(self, record: Record) -> None:
        self._writer.write(record)
        self._complain()

    def _complain(self) -> None:
        if complaint := self._writer.complaint():
            self._warn(complaint)


def _language(document: Document) -> str:
    """As the completion was made for: that one was guessed already."""
    plain = with_newlines(document)
    return language_at(plain.path, plain.text, plain.cursor).name
