"""`localcoder doctor`: what is here, what is broken, and what fixes it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from itertools import chain

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check this installation and this machine. Ends with 1 when something is broken.

    The text has no user names and no paths of yours: paste it into a bug report.
    """
    from localcoder.cli.checks import show
    from localcoder.doctor import anonymous, examine
    from localcoder.serve.check import check_usual

    found = chain(examine(), map(anonymous, check_usual(os.environ.get("LOCALCODER_TOKEN"))))
    if not as_json:
        ctx.exit(int(show(found)))
    checks = list(found)
    is_broken = any(check.state == "broken" for check in checks)
    click.echo(json.dumps({"ok": not is_broken, "checks": [asdict(check) for check in checks]}, indent=1))
    ctx.exit(int(is_broken))
