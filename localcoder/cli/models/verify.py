"""`localcoder models verify`: are models as they came?"""

from __future__ import annotations

import json
import sys

import click

from localcoder.cli.progress import watch


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(models: tuple[str, ...], as_json: bool, quiet: bool) -> None:
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
