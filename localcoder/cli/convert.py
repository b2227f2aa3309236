"""`localcoder convert`: a checkpoint becomes GGUF files."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from converters.errors import ConvertError

if TYPE_CHECKING:
    from converters.convert import Progress, Written
    from converters.plan import Plan


@click.command()
@click.argument("checkpoint", metavar="CHECKPOINT")
@click.option("-t", "--type", "types", multiple=True, metavar="TYPE", help="Q4_K_M, Q8_0, BF16, …; may be given again.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), show_default="here",
              help="A directory for NAME-TYPE.gguf, or FILE.gguf for a single type.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 1024), default=None, help="How many to use.  [default: one a core]")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(checkpoint: str, types: tuple[str, ...], output: Path, threads: int | None, quiet: bool) -> None:
    """Turn the StarCoder2 checkpoint in the folder CHECKPOINT into GGUF files.

    The weights are read once, whatever the number of types. Each file appears when it is complete, with its sha256
    beside it.
    """
    from converters.checkpoint import open_checkpoint
    from converters.convert import LocalShards, run
    from converters.model import find_recipe, plan_model, read_model
    from converters.plan import refuse_overwriting

    if not types:
        raise ConvertError("No type is given.", "For example: -t Q4_K_M, or -t Q8_0.", exit_code=2)
    recipes = [find_recipe(name) for name in types]
    found = open_checkpoint(Path(checkpoint))
    plan = plan_model(read_model(found), recipes, output)
    refuse_overwriting(plan, [found.directory / shard for shard in found.shards])
    for written in run_with_bar(run(plan, LocalShards(found.directory), threads or 0), plan, quiet=quiet):
        click.echo(f"{written.path}  {written.size_bytes:,} bytes  {written.type}")


def run_with_bar(
    work: Generator[Progress, None, tuple[Written, ...]], plan: Plan, *, quiet: bool
) -> tuple[Written, ...]:
    """Draw the conversion's progress on standard error; ends the work cleanly on Ctrl-C and SIGTERM."""
    with _terminable(), contextlib.closing(work):
        if quiet:
            return _drain(work)
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        names = ", ".join(file.path.name for file in plan.files[:3]) + (" …" if len(plan.files) > 3 else "")
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            tasks = {"convert": bar.add_task(names, total=None), "check": bar.add_task("sha256", visible=False)}
            while True:
                try:
                    event = next(work)
                except StopIteration as end:
                    written: tuple[Written, ...] = end.value
                    return written
                bar.update(tasks[event.stage], completed=event.done_bytes, total=event.total_bytes, visible=True)


def _drain(work: Generator[Progress, None, tuple[Written, ...]]) -> tuple[Written, ...]:
    while True:
        try:
            next(work)
        except StopIteration as end:
            written: tuple[Written, ...] = end.value
            return written


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind like Ctrl-C does, so that what is half-written is removed; then exit as it should."""

    def terminate(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
