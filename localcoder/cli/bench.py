"""`localcoder bench`: what models do on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localcoder.cli.pages import write_page
from localcoder.cli.progress import watch_stream
from localcoder.errors import LocalcoderError

if TYPE_CHECKING:
    from localcoder.evaluate.bench.figures import Machine, Program
    from localcoder.evaluate.bench.plan import Plan

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """30s, 5m, 1h, as seconds."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh]?)", value)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not seconds:
        raise click.BadParameter(f"{value} is no time: give 90s, 5m or 1h.", ctx, param)
    return seconds


@click.command()
@click.option("-m", "--model", multiple=True, help="A model's name, or a GGUF file's path; may be given several times. "
              "Default: the settings', else the bundled one.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 1024), multiple=True,
              help="May be given several times. Default: the settings', else the physical cores.")  # fmt: skip
@click.option("--length", "lengths", type=click.IntRange(8, 16384), multiple=True, metavar="TOKENS",
              help="Of a prompt whose reading is timed.  [default: 64, 256 and 1024]")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 1000), default=7, show_default=True,
              help="Measure each figure so often; from 6 on an interval has 95 %.")  # fmt: skip
@click.option("--time", "time_s", callback=_seconds, metavar="TIME", default="5m", show_default=True,
              help="At most, for each model and number of threads: 90s, 5m, 1h. One round there is.")  # fmt: skip
@click.option("--llama-bench", type=click.Path(path_type=Path), metavar="PATH", help="Measure it too, in turns.")
@click.option("--llama-server", type=click.Path(path_type=Path), metavar="PATH", help="Measure it too, in turns.")
@click.option("--force", is_flag=True, help="Load a model that does not fit into memory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a report with plots, too.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def command(
    ctx: click.Context,
    model: tuple[str, ...],
    threads: tuple[int, ...],
    lengths: tuple[int, ...],
    rounds: int,
    time_s: float,
    llama_bench: Path | None,
    llama_server: Path | None,
    force: bool,
    as_json: bool,
    html: Path | None,
    quiet: bool,
) -> None:
    """Measure loading, reading, typing, generation and memory, and print medians with their intervals.

    Each round begins with a fresh engine. Ctrl-C ends it with what was measured so far.
    """
    from localcoder import settings
    from localcoder.assembly import make_engine, make_options
    from localcoder.evaluate.bench import report as bench_report
    from localcoder.evaluate.bench.child import executable
    from localcoder.evaluate.bench.energy import EnergyMeter
    from localcoder.evaluate.bench.llama_bench import LlamaBench
    from localcoder.evaluate.bench.llama_server import LlamaServer
    from localcoder.evaluate.bench.own import Own
    from localcoder.evaluate.bench.page import page
    from localcoder.evaluate.bench.plan import LENGTHS, Bounds, Setup, make_plans
    from localcoder.evaluate.bench.trace import ANSWER_TOKENS
    from localcoder.evaluate.bench.turns import Bench, Side
    from localcoder.hardware import default_threads
    from localcoder.models.store import resolve

    most = os.cpu_count() or 1
    if too_many := next((count for count in threads if count > most), None):
        # The engine would take fewer, and the table would say what was not measured.
        raise LocalcoderError(f"{too_many} threads: this machine has {most}.", "Give fewer.", exit_code=2)
    bench_path = executable(llama_bench) if llama_bench else None
    server_path = executable(llama_server) if llama_server else None
    # So many threads as are said, and the model alone.
    chosen = replace(settings.load(), power_saving=False, adapter_on=False)
    setups = []
    for name in dict.fromkeys(model or (chosen.model or None,)):
        for count in dict.fromkeys(threads or (chosen.threads or default_threads(),)):
            # Refuses what does not fit, before anything is measured.
            make_engine(name, chosen, threads=count, snapshots=False, force=force)
            start = partial(make_engine, name, chosen, threads=count, snapshots=False, force=True)
            setups.append(Setup(resolve(name), count, start))
    programs: list[Program] = ["localcoder"]
    programs += ["llama-server"] if server_path else []
    programs += ["llama-bench"] if bench_path else []
    bounds = Bounds(rounds, time_s, tuple(dict.fromkeys(lengths)) or LENGTHS)
    plans = asyncio.run(_last(make_plans(setups, bounds, programs), quiet=quiet))
    click.echo(_announcement(plans), err=True)
    options = make_options(chosen, max_tokens=ANSWER_TOKENS, first_token_s=chosen.first_token_s)
    meter = EnergyMeter()
    sides: list[Side] = []
    for plan in plans:
        sides.append(Own(plan, options, meter))
        sides += [LlamaServer(plan, server_path, meter)] if server_path else []
        sides += [LlamaBench(plan, bench_path)] if bench_path else []
    notes = [f"Energy was not measured: {meter.why_not}."] if meter.why_not else []
    bench = Bench(sides, _machine(), notes)
    interrupted = False
    try:
        report = asyncio.run(_last(bench.run(), quiet=quiet))
    except KeyboardInterrupt:
        report, interrupted = bench.report(), True
        if not report.results:
            raise
    if as_json:
        click.echo(json.dumps(bench_report.as_json(report, interrupted=interrupted), indent=1))
    else:
        click.echo("\n".join(bench_report.lines(report)))
    if html is not None:
        write_page(html, page(report))
    if interrupted:
        click.echo("Interrupted: these are the figures so far.", err=True)
        ctx.exit(130)


async def _last(work: Any, *, quiet: bool) -> Any:
    return await watch_stream(work, quiet=quiet)


def _announcement(plans: Sequence[Plan]) -> str:
    total_s = sum(plan.rounds * plan.round_s for plan in plans)
    most = max(plan.rounds for plan in plans)
    time = f"{total_s:.0f} seconds" if total_s < 120 else f"{total_s / 60:.0f} minutes"
    return (
        f"This takes about {time}: {most} round{'s' if most != 1 else ''}. Ctrl-C ends it with what there is by then."
    )


def _machine() -> Machine:
    from importlib.metadata import version
    from platform import system

    import psutil

    from localcoder import __version__
    from localcoder.evaluate.bench.figures import Machine
    from localcoder.hardware import default_threads, gpus, processor_name
    from localcoder.power import on_battery

    return Machine(
        processor=processor_name(),
        cores=default_threads(),
        memory_bytes=psutil.virtual_memory().total,
        system=system(),
        gpus=tuple(gpu.name for gpu in gpus()),
        on_battery=on_battery(),
        load=round(psutil.getloadavg()[0], 2),
        localcoder=__version__,
        llama_cpp_python=version("llama-cpp-python"),
    )
