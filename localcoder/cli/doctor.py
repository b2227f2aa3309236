"""`localcoder doctor`: what is here, what is broken, and what fixes it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

_MARKS = {"ok": "+", "note": "!", "broken": "x"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check this installation and this machine. Ends with 1 when something is broken.

    The text has no user names and no paths of yours: paste it into a bug report.
    """
    from localcoder.doctor import examine

    found = []
    for check in examine():
        found.append(check)
        if not as_json:
            click.echo(f"{_MARKS[check.state]} {check.name:<10} {check.what}")
            if check.todo:
                click.echo(f"  {'':<10} → {check.todo}")
    is_broken = any(check.state == "broken" for check in found)
    if as_json:
        click.echo(json.dumps({"ok": not is_broken, "checks": [asdict(check) for check in found]}, indent=1))
    ctx.exit(int(is_broken))
