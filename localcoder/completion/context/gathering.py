"""The heads of the files that one face shows: what was gathered last for each, and when it is gathered anew.

A head costs reading, so it changes only when the file's imports do. Nothing waits for it: a prompt is made with what is
known by then, and the rest is found in a thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from localcoder.code.languages import language_of
from localcoder.code.outline import outline
from localcoder.code.repository import root_of
from localcoder.code.walk import read_code
from localcoder.completion.context.level import Level
from localcoder.completion.context.likeness import near_lines
from localcoder.completion.context.signatures import Piece, gather
from localcoder.completion.document import Document
from localcoder.completion.window import CHARACTERS_PER_TOKEN
from localcoder.errors import LocalcoderError
from localcoder.repository.background import update_in_background
from localcoder.repository.finder import TextFinder
from localcoder.repository.index import Index
from localcoder.repository.needs import Needs, needs_index, needs_of

HEAD_TOKENS = 300
"""Of a head."""
_SEARCH_PAUSE_S = 3.0
"""Between two searches for texts of unknown files: what is not on disk is not there at the next keystroke either."""
_MOST_FILES = 64
"""Heads that are kept: some kilobytes each."""


@dataclass(frozen=True)
class _Known:
    imports: tuple[tuple[str, str], ...]
    pieces: tuple[Piece, ...]
    is_final: bool = True
    """False: the index was not complete."""


class Gathering:
    """`root` is the repository, where it is not to be found by what is around a file.

    A document without a path is looked for in `root`; its file, as it is on disk, then says what is needed.
    """

    def __init__(self, level: Level, root: Path | None = None, *, head_tokens: int = HEAD_TOKENS) -> None:
        self.level = level
        self._root = root
        self._budget = int(head_tokens * CHARACTERS_PER_TOKEN)
        self._known: OrderedDict[Path, _Known] = OrderedDict()
        self._indexes = _Indexes()
        self._finder = TextFinder()
        self._search_at_s = 0.0
        """When a text may be looked for again."""

    def put(self, document: Document) -> Document:
        """The document with the head that is known for its file, and without what is not wanted."""
        snippets = () if self.level == "off" else document.snippets
        return replace(document, snippets=snippets, head=tuple(piece.snippet for piece in self.pieces(document)))

    def pieces(self, document: Document) -> tuple[Piece, ...]:
        """What the head consists of."""
        if not self._is_on:
            return ()
        path = document.path or self._finder.known(document.text)
        known = self._known.get(path) if path is not None else None
        return known.pieces if known is not None else ()

    def forget(self) -> None:
        """Whatever is asked for next is gathered anew."""
        self._known.clear()

    async def gather(self, document: Document, *, wait: bool = False) -> bool:
        """Find the head of the document's file, if that is not known or the imports are others; whether it changed.

        With `wait`, an index that has to be made is waited for. Nothing is raised: completions need no head.
        """
        if not self._is_on:
            return False
        asked, before = document, self.pieces(document)
        with suppress(LocalcoderError, OSError):
            path = document.path
            if path is None:
                path, document = await asyncio.to_thread(self._found, document, wait)
            if path is None:
                return False
            self._known[path] = await asyncio.to_thread(self._gathered, document, path, self._known.get(path), wait)
            self._known.move_to_end(path)
            while len(self._known) > _MOST_FILES:
                self._known.popitem(last=False)
        return self.pieces(asked) != before

    @property
    def _is_on(self) -> bool:
        return self.level in ("repository", "repository and libraries")

    def _found(self, document: Document, wait: bool) -> tuple[Path | None, Document]:
        """The file that the text is a part of, and all of its text, with the cursor where it is."""
        if self._root is None:
            return None, document
        path = self._finder.known(document.text)
        if path is None and (wait or time.monotonic() >= self._search_at_s):
            self._search_at_s = time.monotonic() + _SEARCH_PAUSE_S
            with Index(self._root) as index:
                self._indexes.keep(index, wait)
                path = self._finder.find(document.text, index)
        if path is None:
            return None, document
        text = read_code(path)
        line = document.prefix.rstrip().rpartition("\n")[2]
        return path, Document(text, max(0, text.find(line)), path)

    def _gathered(self, document: Document, path: Path, last: _Known | None, wait: bool) -> _Known:
        language = language_of(path, document.text.partition("\n")[0])
        found = outline(document.text, language)
        imports = tuple(sorted({(each.module, each.name) for each in found.imports}))
        if last is not None and last.imports == imports and (last.is_final or not self._indexes.is_ready):
            return last
        root = self._root or root_of(path)
        if root is None:
            return _Known(imports, ())
        needs, is_final = self._needs(path, document.text, root, wait)
        near = near_lines(document)
        libraries = self.level == "repository and libraries"
        return _Known(imports, gather(needs, language, self._budget, libraries=libraries, near=near), is_final)

    def _needs(self, path: Path, text: str, root: Path, wait: bool) -> tuple[Needs, bool]:
        if not needs_index(path, text):
            return needs_of(path, text, root), True
        with Index(root) as index:
            is_ready = self._indexes.keep(index, wait)
            return needs_of(path, text, root, index), is_ready


class _Indexes:
    """Each repository's index is brought up to date once, by a thread that ends with the program."""

    def __init__(self) -> None:
        self._begun: dict[Path, threading.Thread] = {}
        self._lock = threading.Lock()

    @property
    def is_ready(self) -> bool:
        with self._lock:
            return not any(thread.is_alive() for thread in self._begun.values())

    def keep(self, index: Index, wait: bool) -> bool:
        """Begin to update this index, if that was not done; whether it is done."""
        # One that is not started yet would look as if it were done.
        with self._lock:
            thread = self._begun.get(index.root)
            if thread is None:
                thread = threading.Thread(target=_update, args=(index.root,), name="repository index", daemon=True)
                self._begun[index.root] = thread
                thread.start()
        if wait:
            thread.join()
        return not thread.is_alive()


def _update(root: Path) -> None:
    with suppress(LocalcoderError):
        for _ in update_in_background(root):
            pass
