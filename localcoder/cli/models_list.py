"""`localcoder models list`: the models that are here, and those that can be had."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class Line:
    """A model; `path` is None when it is not here."""

    name: str
    type_name: str
    size_bytes: int
    verdict: str
    needs_bytes: int
    where: str
    path: Path | None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """List the models that are here and those that can be had, and whether they fit this machine."""
    show(as_json=as_json)


def show(*, as_json: bool) -> None:
    """Print the list."""
    lines = _lines()
    if as_json:
        click.echo(json.dumps([_as_dict(line) for line in lines], indent=1))
        return
    from localcoder.models.fit import gigabytes

    width = max(len(line.name) for line in lines)
    for line in lines:
        size = gigabytes(line.size_bytes)
        click.echo(f"{line.name:<{width}}  {line.type_name:<7} {size:>8}  {line.verdict:<12}  {line.where}")


def _lines() -> list[Line]:
    from localcoder.models import store
    from localcoder.models.catalog import ENTRIES, size_in_name, type_in_name
    from localcoder.models.fit import available_bytes, fit

    free = available_bytes()
    lines = []
    here = store.installed()
    for model in here:
        found = fit(model.size_bytes, size_in_name(model.name), free)
        where = "bundled" if model.is_bundled else "here"
        kind = type_in_name(model.path.stem)
        lines.append(Line(model.name, kind, model.size_bytes, found.verdict, found.needs_bytes, where, model.path))
    names = {model.path.name for model in here}
    for entry in ENTRIES:
        if entry.local_name not in names:
            found = fit(entry.size_bytes, entry.size, free)
            lines.append(
                Line(entry.name, entry.type_name, entry.size_bytes, found.verdict, found.needs_bytes, "to pull", None)
            )
    return lines


def _as_dict(line: Line) -> dict[str, object]:
    return {
        "name": line.name,
        "type": line.type_name,
        "size_bytes": line.size_bytes,
        "fits": line.verdict,
        "needs_bytes": line.needs_bytes,
        "where": line.where,
        "path": str(line.path) if line.path else None,
    }
