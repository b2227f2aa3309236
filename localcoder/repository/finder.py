"""Which file of a repository a text is a part of: clients of a server send lines, and seldom a name."""

from __future__ import annotations

from pathlib import Path

from localcoder.code.walk import read_code
from localcoder.repository.index import Index

_SHORTEST_LINE = 8
"""Characters of a line that says something: `return None` is everywhere, and `}` too."""
_FEWEST_LINES = 3
_ENOUGH, _STILL_ENOUGH = 0.6, 0.4
"""Of the text's lines, those that the file has to have to be found, and to stay it. Chosen: some are being written, and
not on disk; and what was found must not come and go while the client's window moves."""
_MOST_SEARCHED = 12_000
"""Characters of the text that the index is asked about: it takes the rarest words of them."""
_CANDIDATES = 8
_MOST_KNOWN = 16


class TextFinder:
    """Remembers the files that it found: their texts go on changing. `find` may run in a thread."""

    def __init__(self) -> None:
        self._known: dict[Path, frozenset[str]] = {}
        """Never changed, but replaced: another thread may be looking through it."""

    def known(self, text: str) -> Path | None:
        """The file, if it was found before. Reads nothing."""
        lines = _lines(text)
        likeness = {path: _likeness(lines, there) for path, there in self._known.items()}
        best = max(likeness, key=lambda path: likeness[path], default=None)
        return best if best is not None and likeness[best] >= _STILL_ENOUGH else None

    def find(self, text: str, index: Index) -> Path | None:
        """The file, by the index and by what is on disk now."""
        lines = _lines(text)
        if len(lines) < _FEWEST_LINES:
            return None
        found: dict[Path, frozenset[str]] = {}
        for piece in index.search(text[-_MOST_SEARCHED:], limit=_CANDIDATES):
            path = index.root / piece.path
            if path in found:
                continue
            try:
                found[path] = _lines(read_code(path))
            except OSError:
                continue
        best = max(found, key=lambda path: _likeness(lines, found[path]), default=None)
        if best is None or _likeness(lines, found[best]) < _ENOUGH:
            return None
        others = [(path, there) for path, there in self._known.items() if path != best]
        self._known = dict([*others, (best, found[best])][-_MOST_KNOWN:])
        return best


def _lines(text: str) -> frozenset[str]:
    return frozenset(line for each in text.splitlines() if len(line := each.strip()) >= _SHORTEST_LINE)


def _likeness(lines: frozenset[str], there: frozenset[str]) -> float:
    return len(lines & there) / len(lines) if len(lines) >= _FEWEST_LINES else 0.0
