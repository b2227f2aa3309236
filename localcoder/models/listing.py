"""All models at a glance: those that are here, those half here, and those that are available."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcoder import paths
from localcoder.models import provenance, store
from localcoder.models.catalog import (
    ALL_ENTRIES,
    CHECKPOINTS,
    ENTRIES,
    Entry,
    Size,
    size_in_name,
    type_in_name,
)
from localcoder.models.description import type_of
from localcoder.models.memory_fit import available_bytes, fit
from localcoder.models.pull import part_of, read_state
from localcoder.models.store import Installed


@dataclass(frozen=True)
class Listed:
    """A model. `where`: "bundled", "here", "to pull", "to convert", or how much of it was fetched.

    `fits` is empty for a checkpoint, which does not run as it is. `alias` is what the catalogue calls a file that is
    here.
    """

    name: str
    type: str
    size_bytes: int
    where: str
    fits: str = ""
    needs_bytes: int = 0
    path: str | None = None
    repository: str | None = None
    alias: str | None = None


def listing(*, every: bool = False) -> list[Listed]:
    """What is here comes first. `every`: the whole catalogue and the checkpoints, not the shortlist alone."""
    free = available_bytes()
    here = store.installed()
    known = provenance.read(paths.models_dir())
    taken = {model.path.name for model in here}
    pulled = {(known[name].repository, known[name].file) for name in taken & known.keys()}
    wanted = [
        entry
        for entry in (ALL_ENTRIES if every else ENTRIES)
        if entry.local_name not in taken and (entry.repository, entry.file) not in pulled
    ]
    lines = [_here(model, known, free) for model in here]
    lines += [_to_pull(entry, free) for entry in wanted]
    lines += _half(taken | {entry.local_name for entry in wanted}, free)
    if every:
        lines += [
            Listed(item.repository, "", item.size_bytes, "to convert", repository=item.repository)
            for item in CHECKPOINTS
        ]
    return lines


def _here(model: Installed, known: dict[str, provenance.Record], free: int) -> Listed:
    record = provenance.Record() if model.is_bundled else known.get(model.path.name, provenance.Record())
    found = fit(model.size_bytes, size_in_name(model.name), free)
    alias = next((e.name for e in ALL_ENTRIES if (e.repository, e.file) == (record.repository, record.file)), None)
    return Listed(
        model.name,
        type_of(model),
        model.size_bytes,
        "bundled" if model.is_bundled else "here",
        found.verdict,
        found.needs_bytes,
        str(model.path),
        record.repository or None,
        alias,
    )


def _to_pull(entry: Entry, free: int) -> Listed:
    part = part_of(paths.models_dir() / entry.local_name)
    return _absent(entry.name, entry.type_name, entry.size_bytes, entry.size, entry.repository, part, free)


def _half(shown: set[str], free: int) -> Iterator[Listed]:
    """Interrupted pulls of what the list does not show otherwise."""
    for part in provenance.models_in(paths.models_dir(), "*.gguf.part"):
        name = part.name.removesuffix(".part")
        state = read_state(part)
        if state and name not in shown:
            stem, size = name.removesuffix(".gguf"), size_in_name(name)
            yield _absent(stem, type_in_name(stem), state.size_bytes, size, state.repository, part, free)


def _absent(
    name: str, type_name: str, size_bytes: int, size: Size | None, repository: str, part: Path, free: int
) -> Listed:
    found = fit(size_bytes, size, free)
    state = read_state(part)
    where = f"{part.stat().st_size / max(state.size_bytes, 1):.0%} fetched" if state else "to pull"
    return Listed(name, type_name, size_bytes, where, found.verdict, found.needs_bytes, None, repository)
