"""`localcoder models pull`: a model is fetched from the Hugging Face hub."""

from __future__ import annotations

import click

from localcoder.cli.models.arrival import agree, print_arrived
from localcoder.cli.progress import watch


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--as", "save_as", default="", metavar="NAME", help="What to call it here.")
@click.option("--revision", default="", metavar="REV", help="Branch, tag or commit.  [default: the newest]")
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked, and remember it.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fetched as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(model: str, save_as: str, revision: str, accept_licence: bool, as_json: bool, quiet: bool) -> None:
    """Fetch MODEL: `starcoder2:3b`, `starcoder2:7b-q5_k_m`, or OWNER/REPOSITORY[/FILE] on the Hugging Face hub.

    An interrupted pull goes on at the byte when it is run again.
    """
    from localcoder.models.licence import licence_of
    from localcoder.models.pull import fetch
    from localcoder.models.references import to_pull

    source = to_pull(model, revision=revision, save_as=save_as)
    if licence_of(source.repository, source.file):
        agree(accept_licence)
    else:
        page = f"https://huggingface.co/{source.repository}"
        click.echo(f"Its licence is its owner's: {page}", err=True)
    path = watch(fetch(source), quiet=quiet, one_bar=True)
    print_arrived(path, as_json)
