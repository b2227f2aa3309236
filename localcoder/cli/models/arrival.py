"""What is asked and said when a model comes onto this machine, whichever command brings it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


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


def print_arrived(path: Path, as_json: bool) -> None:
    """Say which model it is now."""
    from localcoder.models import provenance

    if not as_json:
        click.echo(f"{path.stem}  {path}")
        return
    record = provenance.of(path)
    facts = {"name": path.stem, "path": str(path), "size_bytes": path.stat().st_size}
    click.echo(json.dumps({**facts, **record.__dict__}, indent=1))
