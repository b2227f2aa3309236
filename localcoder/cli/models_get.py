"""`localcoder models pull` and `add`: a model comes onto this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localcoder.cli.progress import watch

if TYPE_CHECKING:
    from localcoder.models.store import Installed


@click.command("pull")
@click.argument("model", metavar="MODEL")
@click.option("--as", "save_as", default="", metavar="NAME", help="What to call it here.")
@click.option("--revision", default="", metavar="REV", help="Branch, tag or commit.  [default: the newest]")
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked, and remember it.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fetched as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def pull_command(model: str, save_as: str, revision: str, accept_licence: bool, as_json: bool, quiet: bool) -> None:
    """Fetch MODEL: `starcoder2:3b`, `starcoder2:7b-q5_k_m`, or OWNER/REPOSITORY[/FILE] on the Hugging Face hub.

    An interrupted pull goes on at the byte when it is run again.
    """
    from localcoder.models.licence import is_starcoder
    from localcoder.models.pull import fetch
    from localcoder.models.references import to_pull

    source = to_pull(model, revision=revision, save_as=save_as)
    if is_starcoder(source.repository) or is_starcoder(source.file):
        agree(accept_licence)
    else:
        page = f"https://huggingface.co/{source.repository}"
        click.echo(f"Its licence is its owner's: {page}", err=True)
    path = watch(fetch(source), quiet=quiet, one_bar=True)
    _print(path, as_json)


@click.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--as", "save_as", default="", metavar="NAME", help="What to call it.  [default: its file's name]")
@click.option("--copy", is_flag=True, help="Copy the file; without this it stays where it is, and a link is made.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def add_command(path: Path, save_as: str, copy: bool, as_json: bool, quiet: bool) -> None:
    """Make the GGUF file at PATH known by its name."""
    from localcoder.models import store

    added: Installed = watch(store.add_copy(path, save_as), quiet=quiet) if copy else store.add(path, save_as)
    _print(added.path, as_json)


def agree(accept_licence: bool) -> None:
    """Show StarCoder2's licence once, and remember the answer. Raises LocalcoderError when there is no agreement."""
    from localcoder.errors import LocalcoderError
    from localcoder.models import licence

    if licence.is_accepted():
        return
    if not accept_licence:
        click.echo(licence.TERMS, err=True)
        if not sys.stdin.isatty():
            todo = "Read them, and give --accept-licence if you agree."
            raise LocalcoderError("These terms have to be agreed to.", todo, exit_code=2)
        if not click.confirm("Do you agree?", err=True):
            raise LocalcoderError("Nothing was fetched.", "StarCoder2 is available under these terms only.")
    licence.accept()


def _print(path: Path, as_json: bool) -> None:
    from localcoder.models import provenance

    if not as_json:
        click.echo(f"{path.stem}  {path}")
        return
    record = provenance.of(path)
    facts = {"name": path.stem, "path": str(path), "size_bytes": path.stat().st_size}
    click.echo(json.dumps({**facts, **record.__dict__}, indent=1))
