"""The question whether code may be sent to a server, asked in the terminal."""

from __future__ import annotations

import sys

import click


def ask(host: str) -> bool:
    """False where nobody is there to answer."""
    if not sys.stdin.isatty():
        return False
    click.echo(f"The code around the cursor will be sent to {host}.", err=True)
    return click.confirm("May it, now and from now on?", err=True)


def say(line: str) -> None:
    """What an engine tells while it works."""
    click.echo(f"localcoder: {line}", err=True)
