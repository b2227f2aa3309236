"""`localcoder models prune`: what interrupted work left behind is deleted."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--keep-parts", is_flag=True, help="Leave interrupted pulls and conversions, which could go on.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(dry_run: bool, keep_parts: bool, as_json: bool) -> None:
    """Delete interrupted pulls and conversions, half files, links to nothing. What a running localcoder uses stays."""
    from localcoder.models.maintenance import delete, leftovers
    from localcoder.models.memory_fit import gigabytes

    gone = []
    for leftover in leftovers(parts=not keep_parts):
        if dry_run or delete(leftover):
            gone.append(leftover)
            if not as_json:
                click.echo(f"{leftover.path.name}: {leftover.why}, {gigabytes(leftover.size_bytes)}")
        elif not as_json:
            click.echo(f"{leftover.path.name}: in use", err=True)
    if as_json:
        listed = [{**leftover.__dict__, "path": str(leftover.path)} for leftover in gone]
        click.echo(json.dumps({"deleted": not dry_run, "files": listed}, indent=1))
    else:
        total = gigabytes(sum(leftover.size_bytes for leftover in gone))
        click.echo(f"{total} {'can be freed' if dry_run else 'freed'}.")
