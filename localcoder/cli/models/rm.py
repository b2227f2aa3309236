"""`localcoder models rm`: a model is deleted."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(models: tuple[str, ...], as_json: bool) -> None:
    """Delete MODEL; of one that was added without --copy, only the link."""
    from localcoder.models import store

    # All names are looked up before anything is deleted.
    found = [store.find(model) for model in models]
    removed: list[dict[str, Any]] = []
    for model in found:
        is_link = model.path.is_symlink()
        store.remove(model)
        removed.append({"name": model.name, "path": str(model.path), "freed_bytes": 0 if is_link else model.size_bytes})
        if not as_json:
            click.echo(f"{model.name} is gone" + ("; the file it was a link to stays." if is_link else "."))
    if as_json:
        click.echo(json.dumps(removed, indent=1))
