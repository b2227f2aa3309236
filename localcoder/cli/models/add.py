"""`localcoder models add`: a GGUF file that lies elsewhere becomes a model."""

from __future__ import annotations

from pathlib import Path

import click

from localcoder.cli.models.arrival import print_arrived
from localcoder.cli.progress import watch


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--as", "save_as", default="", metavar="NAME", help="What to call it.  [default: its file's name]")
@click.option("--copy", is_flag=True, help="Copy the file; without this it stays where it is, and a link is made.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(path: Path, save_as: str, copy: bool, as_json: bool, quiet: bool) -> None:
    """Make the GGUF file at PATH known by its name."""
    from localcoder.models import store

    added = watch(store.add_copy(path, save_as), quiet=quiet) if copy else store.add(path, save_as)
    print_arrived(added.path, as_json)
