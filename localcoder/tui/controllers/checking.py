"""What is to be distrusted in a suggestion: looked for when its text is there, in a thread, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from textual.dom import DOMNode

from localcoder.checks.check import look_at
from localcoder.checks.finding import Finding
from localcoder.completion.complete import Completion
from localcoder.completion.document import Document
from localcoder.tui.text.ghost import Span

_WORKERS = "checks"
_STYLE = "ghost--finding"


class Checking:
    """For one screen: `owner` has the workers."""

    def __init__(self, owner: DOMNode) -> None:
        self._owner = owner
        self.is_on = True

    def begin(self, document: Document, completion: Completion, found: Callable[[Completion], None]) -> None:
        """Look at a completion of the document; `found` gets it with what is to be distrusted, if there is anything.

        What is looked at by then is given up.
        """
        if self.is_on:
            work = self._look(document, completion, found)
            self._owner.run_worker(work, group=_WORKERS, exclusive=True, exit_on_error=False)

    async def _look(self, document: Document, completion: Completion, found: Callable[[Completion], None]) -> None:
        edit = completion.edit
        findings = await asyncio.to_thread(look_at, document.text, edit.range, edit.text, document.path)
        if findings:
            found(replace(completion, findings=findings))


def notice(findings: tuple[Finding, ...]) -> str:
    """One line for the first of them; "" for none."""
    if not findings:
        return ""
    more = f" (and {len(findings) - 1} more: F4)" if len(findings) > 1 else ""
    return f"⚠ {findings[0].what}{more}"


def finding_spans(completion: Completion) -> tuple[Span, ...]:
    """Where a completion's text has them; what only follows from it is at its end."""
    size, start = len(completion.text), completion.edit.range.start
    spans = []
    for each in completion.findings:
        first, last = (min(max(at - start, 0), size) for at in (each.range.start, each.range.end))
        # Of what is missing, the character before it is marked.
        spans.append((min(first, max(last - 1, 0)), max(last, 1), _STYLE))
    return tuple(spans)
