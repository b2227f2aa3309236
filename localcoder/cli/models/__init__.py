"""`localcoder models`: which models there are, and the commands on them, each in a module of its own."""

from __future__ import annotations

import click

from localcoder.cli.lazy import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("localcoder.cli.models.list", "List the models that are here, and those that are available."),
    "show": ("localcoder.cli.models.show", "Show what is known of a model."),
    "recommend": ("localcoder.cli.models.recommend", "Say which model suits this machine, and what each needs."),
    "pull": ("localcoder.cli.models.pull", "Fetch a model from the Hugging Face hub."),
    "add": ("localcoder.cli.models.add", "Make a GGUF file known, by a link or a copy."),
    "rm": ("localcoder.cli.models.rm", "Delete a model."),
    "verify": ("localcoder.cli.models.verify", "Check that models are as they came."),
    "prune": ("localcoder.cli.models.prune", "Delete what interrupted work left behind."),
    "export": ("localcoder.cli.models.export", "Pack a model for a machine without a network."),
    "import": ("localcoder.cli.models.import_", "Unpack such a model."),
}
"""Name → module, and its line in `localcoder models --help`. See `LazyGroup`."""


@click.group(cls=LazyGroup, table=COMMANDS, invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Every type of every model, and the checkpoints to convert from.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(ctx: click.Context, every: bool, as_json: bool) -> None:
    """Models: without a command, `localcoder models` lists what is here and what is available.

    MODEL is a name (`nano`, `starcoder2:3b`, `starcoder2:7b-q5_k_m`, a file's name in the models directory), a file on
    the Hugging Face hub (OWNER/REPOSITORY or OWNER/REPOSITORY/FILE), or the path of a GGUF file. A name goes
    before a file of that name: ./NAME is always a path.
    """
    if ctx.invoked_subcommand is None:
        from localcoder.cli.models.list import print_list

        print_list(every=every, as_json=as_json)
