"""`localcoder models`: which models there are, and the commands on them, each in a module of its own."""

from __future__ import annotations

import click

from localcoder.cli.lazy import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("localcoder.cli.models_list", "List the models that are here, and those that can be had."),
}
"""Name → module, and its line in `localcoder models --help`. See `LazyGroup`."""


@click.group(cls=LazyGroup, table=COMMANDS, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Models: without a command, `localcoder models` lists what is here and what can be had.

    MODEL is a name (`nano`, `starcoder2:3b`, `starcoder2:7b-q5_k_m`, a file's name in the models directory), a file on
    the Hugging Face hub (OWNER/REPOSITORY or OWNER/REPOSITORY/FILE), or a path.
    """
    if ctx.invoked_subcommand is None:
        from localcoder.cli.models_list import show

        show(as_json=as_json)
