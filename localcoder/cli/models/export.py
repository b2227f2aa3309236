"""`localcoder models export`: a model is packed for a machine without a network."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localcoder.cli.progress import watch


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("target", metavar="[FILE]", type=click.Path(path_type=Path), default=Path())
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(model: str, target: Path, as_json: bool, quiet: bool) -> None:
    """Pack MODEL with its licence and checksums into FILE, or into MODEL.bundle.zip in the directory FILE."""
    from localcoder.models.bundle import export
    from localcoder.models.store import find

    path = watch(export(find(model), target), quiet=quiet)
    click.echo(json.dumps({"path": str(path), "size_bytes": path.stat().st_size}) if as_json else path)
