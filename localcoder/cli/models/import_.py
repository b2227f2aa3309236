"""`localcoder models import`: a model that was packed elsewhere is unpacked."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localcoder.cli.models.arrival import agree
from localcoder.cli.progress import watch


@click.command()
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked, and remember it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(source: Path, accept_licence: bool, as_json: bool, quiet: bool) -> None:
    """Unpack the model in FILE, which `localcoder models export` made, and check it."""
    from localcoder.models.bundle import install, read_manifest
    from localcoder.models.licence import OPENRAIL

    if read_manifest(source).record.licence == OPENRAIL:
        agree(accept_licence)
    model = watch(install(source), quiet=quiet)
    facts = {"name": model.name, "path": str(model.path), "size_bytes": model.size_bytes}
    click.echo(json.dumps(facts) if as_json else f"{model.name}  {model.path}")
