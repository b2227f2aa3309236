"""`localcoder models list`: the models that are here, and those that are available."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command()
@click.option("--all", "every", is_flag=True, help="Every type of every model, and the checkpoints to convert from.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(every: bool, as_json: bool) -> None:
    """List the models that are here and those that are available, and whether they fit this machine."""
    print_list(every=every, as_json=as_json)


def print_list(*, every: bool, as_json: bool) -> None:
    """Print the list; `every`: with the whole catalogue."""
    from localcoder.models.listing import listing
    from localcoder.models.memory_fit import gigabytes

    lines = listing(every=every)
    if as_json:
        click.echo(json.dumps([asdict(line) for line in lines], indent=1))
        return
    width = max(len(line.name) for line in lines)
    for line in lines:
        where = f"{line.where}, {line.alias}" if line.alias else line.where
        click.echo(f"{line.name:<{width}}  {line.type:<7} {gigabytes(line.size_bytes):>8}  {line.fits:<12}  {where}")
