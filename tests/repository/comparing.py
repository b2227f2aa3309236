"""All that an index says, to be compared with what another one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localcoder.progress import finish
from localcoder.repository.index import Index


def contents(index: Index) -> dict[str, Any]:
    """Of each file its definitions, imports and pieces; and that the full-text search holds the same pieces."""
    # SQLite's own check that the words are those of the pieces.
    index._store._connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    return {
        repr(str(path)): (index.outline(path), [each.text for each in index.pieces(path)]) for path in index.names()
    }


def assert_as_fresh(index: Index, folder: Path) -> None:
    """It says what a new index says, made in `folder`."""
    with Index(index.root, folder=folder) as fresh:
        finish(fresh.update())
        assert contents(index) == contents(fresh)
        assert index.is_complete
