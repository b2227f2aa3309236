"""The command line: which commands there are, each imported when it runs, and how errors are shown."""

from __future__ import annotations

import sys

import click

from converters.errors import ConvertError
from localcoder import __version__
from localcoder.cli.lazy import LazyGroup
from localcoder.errors import LocalcoderError
from localcoder.offline import guard

COMMANDS = {
    "action": ("localcoder.cli.action", "Write documentation, types, tests and changes."),
    "bench": ("localcoder.cli.bench", "Measure what models do on this machine."),
    "calibrate": ("localcoder.cli.calibrate", "Make an importance matrix from code, for better small models."),
    "complete": ("localcoder.cli.complete", "Complete the code at a cursor and print it."),
    "context": ("localcoder.cli.context", "Show what a file needs from other files and from libraries."),
    "convert": ("localcoder.cli.convert", "Turn a StarCoder2 checkpoint into GGUF files."),
    "doctor": ("localcoder.cli.doctor", "Check this installation and this machine."),
    "serve": ("localcoder.cli.serve", "Serve completions to editors over HTTP."),
    "edit": ("localcoder.cli.edit", "Open the app, on a file or not: `localcoder [FILE]` does too."),
    "eval": ("localcoder.cli.eval", "Say which model fills holes in your own code best."),
    "inspect": ("localcoder.cli.inspect", "Show what a GGUF file is, and what is wrong with it."),
    "models": ("localcoder.cli.models", "List, get, check and remove models."),
    "settings": ("localcoder.cli.settings", "Show the settings and where each comes from, or set one."),
    "repair": ("localcoder.cli.repair", "Mend a GGUF file's metadata."),
}
"""Name → module that holds a click command called `command`, and its line in `--help`."""


class _Commands(LazyGroup):
    """Takes `localcoder FILE` as `localcoder edit FILE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            return super().resolve_command(ctx, ["edit", *args])
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    table=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="localcoder")
@click.option("-m", "--model", metavar="MODEL", help="A model's name, a GGUF file's path, or a server's address.")
@click.pass_context
def cli(ctx: click.Context, model: str | None) -> None:
    """Code completions from StarCoder2, on your own machine.

    Without a command, `localcoder [FILE]` opens the app.
    """
    if ctx.invoked_subcommand is None:
        edit = cli.get_command(ctx, "edit")
        assert edit is not None
        ctx.invoke(edit, model=model)
    elif model is not None and ctx.invoked_subcommand in COMMANDS:
        _pass_on_model(ctx, ctx.invoked_subcommand, model)


def _pass_on_model(ctx: click.Context, name: str, model: str) -> None:
    """`--model X` before a command counts as if it stood behind it, where the command knows the option."""
    chosen = cli.get_command(ctx, name)
    assert chosen is not None
    option = next((each for each in chosen.params if each.name == "model" and isinstance(each, click.Option)), None)
    if option is None:
        raise click.UsageError(f"`{name}` takes no --model.")
    ctx.default_map = {**(ctx.default_map or {}), name: {"model": [model] if option.multiple else model}}


def main() -> None:
    """The console script. Errors a user can cause end in two lines on standard error and an exit code, no traceback."""
    guard()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _fail("Interrupted.", "", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (LocalcoderError, ConvertError) as error:
        _fail(error.what, error.todo, error.exit_code)
    except KeyboardInterrupt:
        _fail("Interrupted.", "", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(what: str, todo: str, exit_code: int) -> None:
    click.echo(f"localcoder: {what}" + (f"\n  {todo}" if todo else ""), err=True)
    sys.exit(exit_code)
