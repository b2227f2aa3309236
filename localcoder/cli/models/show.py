"""`localcoder models show`: what is known of a model."""

from __future__ import annotations

import json
from typing import Any

import click

from localcoder.cli.facts import lines_of


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(model: str, as_json: bool) -> None:
    """Show what is known of MODEL: where it is and came from, its checksum and licence, and what its header says."""
    from localcoder.models.description import describe

    facts: dict[str, Any] = {}
    for name, value in vars(describe(model)).items():
        facts |= value if name == "header" else {name: value}
    if as_json:
        click.echo(json.dumps(facts, indent=1, default=str))
        return
    facts["problems"] = "; ".join(facts.get("problems", ()))
    for line in lines_of({name: value for name, value in facts.items() if value is not False}):
        click.echo(line)
