"""`localcoder models export` and `import`: a model goes to a machine without a network."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localcoder.cli.progress import watch


@click.command("export")
@click.argument("model", metavar="MODEL")
@click.argument("target", metavar="[FILE]", type=click.Path(path_type=Path), default=Path())
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def export_command(model: str, target: Path, as_json: bool, quiet: bool) -> None:
    """Pack MODEL with its licence and checksums into FILE, or into MODEL.bundle.zip in the directory FILE."""
    from localcoder.models.bundle import export
    from localcoder.models.store import find

    path = watch(export(find(model), target), quiet=quiet)
    click.echo(json.dumps({"path": str(path), "size_bytes": path.stat().st_size}) if as_json else path)


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked, and remember it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def import_command(source: Path, accept_licence: bool, as_json: bool, quiet: bool) -> None:
    """Unpack the model in FILE, which `localcoder models export` made, and check it."""
    from localcoder.cli.models_get import agree
    from localcoder.models.bundle import install, read_manifest
    from localcoder.models.licence import OPENRAIL

    if read_manifest(source).record.licence == OPENRAIL:
        agree(accept_licence)
    model = watch(install(source), quiet=quiet)
    facts = {"name": model.name, "path": str(model.path), "size_bytes": model.size_bytes}
    click.echo(json.dumps(facts) if as_json else f"{model.name}  {model.path}")
