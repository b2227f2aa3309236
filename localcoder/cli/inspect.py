"""`localcoder inspect`: what a GGUF file is, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localcoder.cli.facts import lines_of
from localcoder.cli.progress import watch

if TYPE_CHECKING:
    from converters.inspection import Inspection


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.gguf")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@click.option("--tensors", is_flag=True, help="List every tensor.")
@click.option("--header", is_flag=True, help="Look at the header only, not at the data.")
def command(path: Path, as_json: bool, tensors: bool, header: bool) -> None:
    """Show what FILE.gguf is: architecture, sizes, types, FIM ids, window, and what is wrong with it.

    Ends with 1 if something is wrong. `localcoder repair` fixes what is wrong with the metadata.
    """
    from converters.inspection import inspect

    found = watch(inspect(path, data=not header))
    click.echo(_as_json(found) if as_json else _as_text(found, tensors))
    if found.problems:
        sys.exit(1)


def _as_json(found: Inspection) -> str:
    listed = [
        {"name": t.name, "type": t.type, "shape": list(t.shape), "bytes": t.size_bytes}
        for t in (found.file.tensors if found.file else ())
    ]
    problems = [{"code": p.code, "what": p.what, "repairable": p.repairable} for p in found.problems]
    return json.dumps(
        {"path": str(found.path), **found.summary, "problems": problems, "tensor_list": listed}, indent=1, default=str
    )


def _as_text(found: Inspection, tensors: bool) -> str:
    lines = [str(found.path), *(f"  {line}" for line in lines_of(found.summary))]
    if tensors and found.file:
        lines += [f"  {t.name:<28} {t.type:<8} {t.shape!s:<16} {t.size_bytes:>15,}" for t in found.file.tensors]
    if not found.problems:
        lines.append("  nothing is wrong with it")
    for problem in found.problems:
        lines.append(f"  wrong: {problem.what}" + (" (can be repaired)" if problem.repairable else ""))
    return "\n".join(lines)
