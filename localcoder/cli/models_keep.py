"""`localcoder models rm`, `verify` and `prune`: looking after what is here."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from localcoder.cli.progress import watch


@click.command("rm")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def rm_command(models: tuple[str, ...], as_json: bool) -> None:
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


@click.command("verify")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def verify_command(models: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Compare models with their checksums: all that are here, or those named. Ends with 1 if one is damaged."""
    from localcoder.models import store
    from localcoder.models.maintenance import verify

    found = [store.find(model) for model in models] if models else store.installed()
    results = []
    for model in found:
        result = watch(verify(model), quiet=quiet)
        results.append(result)
        if not as_json:
            click.echo(f"{result.name}: {result.state}, {result.what}")
    if as_json:
        click.echo(json.dumps([{**result.__dict__, "path": str(result.path)} for result in results], indent=1))
    if any(result.state == "damaged" for result in results):
        sys.exit(1)


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--keep-parts", is_flag=True, help="Leave interrupted pulls and conversions, which could go on.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def prune_command(dry_run: bool, keep_parts: bool, as_json: bool) -> None:
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
