"""`localcoder settings`: the effective settings and where each comes from; `set` writes one."""

from __future__ import annotations

import json
from typing import Any

import click


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show the effective settings, and where each comes from: default, file or environment."""
    if ctx.invoked_subcommand is not None:
        return
    from localcoder import paths, settings

    effective = settings.load_with_sources()
    rows = [(name, getattr(effective.settings, name), effective.sources[name]) for name in settings.names()]
    if as_json:
        values = {name: {"value": _plain(value), "source": source} for name, value, source in rows}
        click.echo(json.dumps({"file": str(paths.settings_file()), "settings": values}, indent=1))
        return
    click.echo(f"# {paths.settings_file()}")
    width = max(len(name) for name in settings.names())
    for name, value, source in rows:
        shown = json.dumps(_plain(value), ensure_ascii=False)
        origin = settings.variable_of(name) if source == "environment" else source
        click.echo(f"{name:<{width}} = {shown:<16}  # {origin}: {settings.help_of(name)}")


@command.command("set")
@click.argument("name")
@click.argument("value")
def set_command(name: str, value: str) -> None:
    """Set NAME to VALUE in the settings file; its comments stay."""
    from localcoder import settings
    from localcoder.assembly import usable

    settings.save({name: usable(name, settings.parse(name, value))})


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value
