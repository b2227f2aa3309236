"""`localcoder models show`: what is known of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(model: str, as_json: bool) -> None:
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
    from localcoder.models import catalog, provenance, store
    from localcoder.models.memory_fit import fit

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

    record = provenance.Record()
    if model.path.parent == paths.models_dir():
        record = provenance.of(model.path)
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
        "sha256": record.sha256 or provenance.sidecar_digest(model.path),
        "licence": "apache-2.0" if model.is_bundled else record.licence,
        "fits": f"{found.verdict}: {found.reason}",
        **{key: value for key, value in inspection.summary.items() if key not in ("name", "path", "licence")},
        "problems": [problem.what for problem in inspection.problems],
    }
