"""Where a name is defined: by the repository's index where there is one, else by the files that have the name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from localcoder.code.file_search import FileSearch
from localcoder.code.languages import language_of
from localcoder.code.outline import has_outline, outline
from localcoder.code.walk import is_code_name, read_code
from localcoder.errors import LocalcoderError
from localcoder.repository.index import FoundDefinition, Index, has_index


def in_index(name: str, root: Path) -> tuple[FoundDefinition, ...]:
    """What the index of the repository at `root` knows, if there is one. It may be older than the files."""
    with suppress(LocalcoderError):
        if has_index(root):
            with Index(root) as index:
                return tuple(each for each in index.definitions(name) if (root / each.path).is_file())
    return ()


def search_for(name: str, root: Path) -> FileSearch:
    """Finds the lines below `root` that have the name, for `in_files`."""
    return FileSearch(root, rf"\b{re.escape(name)}\b", is_regex=True, has_case=True)


def in_files(name: str, root: Path, search: FileSearch) -> Iterator[FoundDefinition]:
    """What files define that have the name, as they are found; `search.stop()` ends it from another thread."""
    seen: set[str] = set()
    for hit in search:
        path = root / hit.name
        language = language_of(path)
        if hit.name in seen or not is_code_name(path.name) or not has_outline(language):
            continue
        seen.add(hit.name)
        with suppress(OSError):
            for definition in outline(read_code(path), language).definitions:
                if definition.name == name:
                    yield FoundDefinition(PurePosixPath(hit.name), definition)
