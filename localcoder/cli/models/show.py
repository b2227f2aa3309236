"""`localcoder models show`: what is known of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from localcoder.cli.facts import lines_of

if TYPE_CHECKING:
    from localcoder.models.catalog import Published


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(model: str, as_json: bool) -> None:
    """Show what is known of MODEL: where it is and came from, its checksum and licence, what its header says, and what
    others published of it.
    """
    from localcoder.models.description import describe

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
    for line in (*lines_of({name: value for name, value in facts.items() if value is not False}),
                 *_published(found.published)):  # fmt: skip
        click.echo(line)


def _published(published: Sequence[Published]) -> Iterator[str]:
    """The figures with their sources, and where these contradict one another."""
    from localcoder.models.catalog import contradictions

    if not published:
        return
    yield f"\nPublished of {published[0].checkpoint} in its own precision, in percent:"
    for each in published:
        figures = "  ".join(f"{name} {value:g}" for name, value in each.figures.items())
        yield f"  {each.benchmark}: {figures}"
        yield f"    {each.source}" + (f" ({each.note})" if each.note else "")
        yield f"    {each.address}"
    if apart := contradictions(published):
        yield "They contradict one another; `localcoder eval` says what holds on your machine:"
        yield from (f"  {each}" for each in apart)
