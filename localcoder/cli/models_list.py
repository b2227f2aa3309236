"""`localcoder models list` and `show`: the models that are here, those that can be had, and what is known of one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Line:
    """A model. `where`: "bundled", "here", "to pull", "to convert", or how much of it was fetched."""

    name: str
    type: str
    size_bytes: int
    fits: str
    needs_bytes: int
    where: str
    path: str | None = None
    repository: str | None = None
    aliases: list[str] = field(default_factory=list)


@click.command()
@click.option("--all", "every", is_flag=True, help="Every type of every model, and the checkpoints to convert from.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(every: bool, as_json: bool) -> None:
    """List the models that are here and those that can be had, and whether they fit this machine."""
    print_list(every=every, as_json=as_json)


def print_list(*, every: bool, as_json: bool) -> None:
    """Print the list; `every`: with the whole catalogue."""
    lines = _lines(every)
    if as_json:
        click.echo(json.dumps([asdict(line) for line in lines], indent=1))
        return
    from localcoder.models.fit import gigabytes

    width = max(len(line.name) for line in lines)
    for line in lines:
        size = gigabytes(line.size_bytes)
        click.echo(f"{line.name:<{width}}  {line.type:<7} {size:>8}  {line.fits:<12}  {line.where}")


def _lines(every: bool) -> list[Line]:
    from localcoder import paths
    from localcoder.models import records, store
    from localcoder.models.catalog import ALL_ENTRIES, CHECKPOINTS, ENTRIES, size_in_name, type_in_name
    from localcoder.models.fit import available_bytes, fit
    from localcoder.models.pull import part_of, read_state

    free = available_bytes()
    known = records.read(paths.models_dir())
    pulled = {(record.repository, record.file) for record in known.values() if record.repository}
    names = {(entry.repository, entry.file): entry.name for entry in ALL_ENTRIES}
    lines = []
    here = store.installed()
    for model in here:
        found = fit(model.size_bytes, size_in_name(model.name), free)
        record = known.get(model.path.name, records.Record()) if not model.is_bundled else records.Record()
        alias = names.get((record.repository, record.file))
        lines.append(
            Line(
                model.name,
                type_in_name(model.path.stem),
                model.size_bytes,
                found.verdict,
                found.needs_bytes,
                "bundled" if model.is_bundled else f"here, {alias}" if alias else "here",
                str(model.path),
                record.repository or None,
                [alias] if alias else [],
            )
        )
    taken = {model.path.name for model in here}
    for entry in ALL_ENTRIES if every else ENTRIES:
        if entry.local_name in taken or (entry.repository, entry.file) in pulled:
            continue
        part = part_of(paths.models_dir() / entry.local_name)
        state = read_state(part)
        where = f"{part.stat().st_size / max(state.size_bytes, 1):.0%} fetched" if state else "to pull"
        found = fit(entry.size_bytes, entry.size, free)
        needs, verdict = found.needs_bytes, found.verdict
        lines.append(Line(entry.name, entry.type_name, entry.size_bytes, verdict, needs, where, None, entry.repository))
    for checkpoint in CHECKPOINTS if every else ():
        size_bytes = checkpoint.size_bytes
        lines.append(Line(checkpoint.repository, "", size_bytes, "", 0, "to convert", repository=checkpoint.repository))
    return lines


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show_command(model: str, as_json: bool) -> None:
    """Show what is known of MODEL: where it is and came from, its checksum and licence, and what its header says."""
    facts = _facts(model)
    if as_json:
        click.echo(json.dumps(facts, indent=1, default=str))
        return
    for name, value in facts.items():
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        if isinstance(value, dict):
            value = "  ".join(f"{key} {item}" for key, item in value.items() if item is not None)
        if value not in (None, "", [], False):
            click.echo(f"{name.replace('_', ' '):<16} {value}")


def _facts(name: str) -> dict[str, Any]:
    from localcoder import paths
    from localcoder.errors import LocalcoderError
    from localcoder.models import catalog, records, store
    from localcoder.models.fit import fit

    try:
        model = store.find(name)
    except LocalcoderError:
        entry = catalog.find(name)
        if entry is None:
            raise
        found = fit(entry.size_bytes, entry.size)
        return {
            "name": entry.name,
            "where": "to pull",
            "repository": entry.repository,
            "file": entry.file,
            "type": entry.type_name,
            "size_bytes": entry.size_bytes,
            "sha256": entry.sha256,
            "licence": "bigcode-openrail-m",
            "note": entry.size.note,
            "fits": f"{found.verdict}: {found.reason}",
        }
    from converters.inspection import inspect

    record = records.Record()
    if model.path.parent == paths.models_dir():
        record = records.read(model.path.parent).get(model.path.name, record)
    header = inspect(model.path, data=False)
    while True:
        try:
            next(header)
        except StopIteration as end:
            inspection = end.value
            break
    found = fit(model.size_bytes, catalog.size_in_name(model.name))
    return {
        "name": model.name,
        "where": "bundled" if model.is_bundled else "here",
        "path": str(model.path),
        "link_to": str(Path(model.path).readlink()) if model.path.is_symlink() else None,
        "size_bytes": model.size_bytes,
        "repository": record.repository,
        "commit": record.commit,
        "file": record.file,
        "sha256": record.sha256 or records.sidecar_digest(model.path),
        "licence": "apache-2.0" if model.is_bundled else record.licence,
        "fits": f"{found.verdict}: {found.reason}",
        **{key: value for key, value in inspection.summary.items() if key not in ("name", "path", "licence")},
        "problems": [problem.what for problem in inspection.problems],
    }
