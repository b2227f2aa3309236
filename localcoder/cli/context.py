"""`localcoder context`: what a file needs from elsewhere, where it was found, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from localcoder.repository.needs import Need, Needs


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--root", type=click.Path(path_type=Path), metavar="DIR",
              help="The repository.  [default: what is around FILE, by .git, pyproject.toml, …]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(file: Path, root: Path | None, as_json: bool, quiet: bool) -> None:
    """Show the signatures of what FILE uses and does not define, from its repository and from installed libraries.

    Files are read; nothing is executed or imported.
    """
    from localcoder.cli.progress import watch
    from localcoder.code.repository import root_of
    from localcoder.code.walk import read_code
    from localcoder.errors import LocalcoderError
    from localcoder.repository.index import Index
    from localcoder.repository.needs import needs_index, needs_of

    try:
        text = read_code(file)
    except OSError as error:
        what = f"{file}: {error.strerror or error}."
        raise LocalcoderError(what, "Name a file of code.", exit_code=2) from None
    root = root or root_of(file) or file.absolute().parent
    if needs_index(file, text):
        with Index(root) as index:
            watch(index.update(), quiet=quiet)
            needs = needs_of(file, text, root, index)
    else:
        needs = needs_of(file, text, root)
    click.echo(json.dumps(_fields(needs), indent=2) if as_json else "\n".join(_lines(needs)))


def _lines(needs: Needs) -> Iterator[str]:
    ordered = sorted(needs.needs, key=lambda need: (need.found.origin, need.found.library, need.found.name))
    for (origin, library, name), found in groupby(ordered, key=lambda need: _place(need)):
        yield f"{name}  ({library or origin})"
        for need in sorted(found, key=lambda each: each.definition.line):
            for line in _signature(need):
                yield f"    {line}"
            yield f"        {need.use} in line {need.line}, {need.why}"
    if needs.missing:
        yield "Not found:"
        for missing in needs.missing:
            yield f"    {missing.use} in line {missing.line}: {missing.why}"
    if not needs.needs and not needs.missing:
        yield "Nothing: the file uses no name that it does not define."
    if needs.environment:
        yield f"Libraries are those of {needs.environment}."


def _place(need: Need) -> tuple[str, str, str]:
    return need.found.origin, need.found.library, need.found.name


def _signature(need: Need) -> Iterator[str]:
    definition = need.definition
    if definition.container:
        yield f"{definition.container}:"
    yield from definition.signature.splitlines()
    if definition.doc:
        yield f"    {definition.doc}"
    for member in need.members:
        yield from (f"    {line}" for line in member.signature.splitlines())


def _fields(needs: Needs) -> dict[str, object]:
    return {
        "needs": [
            {
                "use": need.use,
                "line": need.line,
                "why": need.why,
                "origin": need.found.origin,
                "library": need.found.library,
                "file": need.found.name,
                "definition": asdict(need.definition),
                "members": [asdict(member) for member in need.members],
            }
            for need in needs.needs
        ],
        "missing": [asdict(missing) for missing in needs.missing],
        "environment": needs.environment,
    }
