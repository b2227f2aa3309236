"""Findings, as `doctor` and `serve --check` print them."""

from __future__ import annotations

from collections.abc import Iterable

import click

from localcoder.doctor import Check

_MARKS = {"ok": "+", "note": "!", "broken": "x"}


def show(checks: Iterable[Check]) -> bool:
    """Print each as it comes. Whether one of them is broken."""
    is_broken = False
    for check in checks:
        is_broken |= check.state == "broken"
        click.echo(f"{_MARKS[check.state]} {check.name:<10} {check.what}")
        if check.todo:
            click.echo(f"  {'':<10} → {check.todo}")
    return is_broken
