"""All that is known of one model: where it is and came from, its licence, whether it fits, what its header says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.models import catalog, provenance, store
from localcoder.models.catalog import Entry, Published
from localcoder.models.licence import OPENRAIL
from localcoder.models.maintenance import header_of
from localcoder.models.memory_fit import fit
from localcoder.models.store import Installed


@dataclass(frozen=True)
class Available:
    """A model of the catalogue that is not here. `published` is about its checkpoint, before it was quantized."""

    name: str
    where: str
    repository: str
    file: str
    type: str
    size_bytes: int
    sha256: str
    licence: str
    note: str
    fits: str
    published: tuple[Published, ...]


@dataclass(frozen=True)
class Present:
    """A model that is here. `link_to` is None unless its file is a link. Empty: unknown.

    `published` is about the checkpoint that it is called after, before it was quantized.
    `header` has facts by name, as `localcoder inspect` shows them; `problems` are sentences.
    """

    name: str
    where: str
    path: str
    link_to: str | None
    size_bytes: int
    repository: str
    commit: str
    file: str
    sha256: str
    licence: str
    fits: str
    header: Mapping[str, Any]
    problems: tuple[str, ...]
    published: tuple[Published, ...]


def describe(name: str) -> Present | Available:
    """What a model's name or path means. Raises LocalcoderError when there is no such model."""
    try:
        model = store.find(name)
    except LocalcoderError:
        if entry := catalog.find(name):
            return _available(entry)
        raise
    return _present(model)


def figures(published: Sequence[Published]) -> Iterator[str]:
    """Lines with what was published of one checkpoint, with sources, and where these contradict one another."""
    if not published:
        return
    yield f"Published of {published[0].checkpoint} in its own precision, in percent:"
    for each in published:
        values = "  ".join(f"{name} {value:g}" for name, value in each.figures.items())
        yield f"  {each.benchmark}: {values}"
        yield f"    {each.source}" + (f" ({each.note})" if each.note else "")
        yield f"    {each.address}"
    if apart := catalog.contradictions(published):
        yield "They contradict one another; `localcoder eval` says what holds on your machine:"
        yield from (f"  {each}" for each in apart)


def type_of(model: Installed) -> str:
    """The quantization of a model that is here: as its name says, else as its header does; empty if neither does."""
    if named := catalog.type_in_name(model.path.stem) or catalog.type_in_name(model.path.resolve().stem):
        return named
    try:
        return header_of(model.path).summary.get("file_type") or ""
    except LocalcoderError:
        return ""  # It went between the listing and the look.


def _available(entry: Entry) -> Available:
    found = fit(entry.size_bytes, entry.size)
    return Available(
        name=entry.name,
        where="to pull",
        repository=entry.repository,
        file=entry.file,
        type=entry.type_name,
        size_bytes=entry.size_bytes,
        sha256=entry.sha256,
        licence=OPENRAIL,
        note=entry.size.note,
        fits=f"{found.verdict}: {found.reason}",
        published=catalog.published_of(entry.checkpoint),
    )


def _present(model: Installed) -> Present:
    record = provenance.Record()
    if model.path.parent == paths.models_dir():
        record = provenance.of(model.path)
    inspection = header_of(model.path)
    found = fit(model.size_bytes, catalog.size_in_name(model.name))
    return Present(
        name=model.name,
        where="bundled" if model.is_bundled else "here",
        path=str(model.path),
        link_to=str(Path(model.path).readlink()) if model.path.is_symlink() else None,
        size_bytes=model.size_bytes,
        repository=record.repository,
        commit=record.commit,
        file=record.file,
        sha256=record.sha256 or provenance.sidecar_digest(model.path),
        licence="apache-2.0" if model.is_bundled else record.licence,
        fits=f"{found.verdict}: {found.reason}",
        header={key: value for key, value in inspection.summary.items() if key not in ("name", "path", "licence")},
        problems=tuple(problem.what for problem in inspection.problems),
        published=catalog.published_of(catalog.checkpoint_in_name(model.name)),
    )
