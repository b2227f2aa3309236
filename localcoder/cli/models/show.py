"""`localcoder models show`: what is known of a model."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from localcoder.cli.facts import lines_of


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(model: str, as_json: bool) -> None:
    """Show what is known of MODEL: where it is and came from, its checksum and licence, what its header says, and what
    others published of it.
    """
    from localcoder.models.description import describe, figures

    found = describe(model)
    facts: dict[str, Any] = {}
    for name, value in vars(found).items():
        facts |= value if name == "header" else {name: value}
    if as_json:
        published = [asdict(each) for each in found.published]
        click.echo(json.dumps({**facts, "published": published}, indent=1, default=str))
        return
    facts["problems"] = "; ".join(facts.get("problems", ()))
    del facts["published"]
    published_lines = list(figures(found.published))
    shown = lines_of({name: value for name, value in facts.items() if value is not False})
    for line in (*shown, *([""] if published_lines else []), *published_lines):
        click.echo(line)
