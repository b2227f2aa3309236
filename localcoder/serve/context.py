"""What of other files the texts of clients rest on: found between requests, so that none waits for it."""

from __future__ import annotations

import asyncio

from localcoder.completion.context.gathering import Gathering
from localcoder.completion.document import Document


class Context:
    """One search at a time: what comes meanwhile is asked for again soon."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._search: asyncio.Task[bool] | None = None

    def put(self, document: Document) -> Document:
        """The document with what is known by now."""
        return self._gathering.put(document)

    def look_around(self, document: Document) -> None:
        """Find what this text needs, for the next request that has it."""
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._gathering.gather(document))
