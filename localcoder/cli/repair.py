"""`localcoder repair`: a GGUF file with its metadata fixed."""

from __future__ import annotations

from pathlib import Path

import click

from localcoder.cli.progress import watch


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="IN.gguf")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT.gguf")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(source: Path, target: Path, quiet: bool) -> None:
    """Write IN.gguf to OUT.gguf with its metadata fixed; the weights stay as they are, byte by byte.

    Fixes what `localcoder inspect` calls repairable: ids, pre-tokenizer, and window and rope base of published models.
    """
    from converters.repair import repair

    done = watch(repair(source, target), quiet=quiet)
    click.echo(f"{done.path}")
    for problem in done.fixed:
        click.echo(f"  fixed: {problem.what}")
    for problem in done.left:
        click.echo(f"  left:  {problem.what}")
