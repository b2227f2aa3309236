"""`localcoder eval`: which model, layout and context suggest best in one's own code."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localcoder import settings
from localcoder.assembly import make_engine, make_options
from localcoder.cli.numbers import FiniteRange
from localcoder.cli.pages import write_page
from localcoder.cli.progress import watch, watch_stream
from localcoder.completion.complete import DEFAULT_PROMPT_TOKENS, Options
from localcoder.completion.context.level import LEVELS, Level
from localcoder.completion.layout import LAYOUTS, LayoutName
from localcoder.engine.api import Engine, Lora
from localcoder.errors import LocalcoderError
from localcoder.files import reason

if TYPE_CHECKING:
    from localcoder.evaluate.candidates import Candidate
    from localcoder.evaluate.check import Checks
    from localcoder.evaluate.compare import Comparison
    from localcoder.evaluate.holes import Hole, Kind, Names
    from localcoder.evaluate.run import Evaluation, Plan
    from localcoder.evaluate.suites.scoring import Scores


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False, metavar="[PATH]")
@click.option("--suite", "suite_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Tasks of HumanEval-Infilling or SAFIM (JSONL or .gz) instead of one's own code.")  # fmt: skip
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL",
              help="What to compare; may be given several times.  [default: the settings' model]")  # fmt: skip
@click.option("--lora", "loras", multiple=True, metavar="FILE[:SCALE]", help="Each model with this adapter, too.")
@click.option("--layout", "layouts", type=click.Choice(LAYOUTS), multiple=True, help=f"[default: {Options.layout}]")
@click.option("--tokens", "lengths", type=click.IntRange(64, 16_384), multiple=True, metavar="TOKENS",
              help=f"The most that a prompt has.  [default: {DEFAULT_PROMPT_TOKENS}]")  # fmt: skip
@click.option(
    "--context",
    "contexts",
    type=click.Choice(LEVELS),
    multiple=True,
    metavar="LEVEL",
    help=f"What prompts have besides the file: {', '.join(LEVELS)}.  [default: the settings']",
)
@click.option("--reference", metavar="MODEL", help="Say how far each is from this one, such as the same in Q8_0.")
@click.option("--kind", "kinds", type=click.Choice(["rest", "line", "block", "function", "call"]), multiple=True,
              help="What to cut out: the rest of a line, a line, a block, a function's body, a call's arguments.  "
              "[default: all]")  # fmt: skip
@click.option("--names", type=click.Choice(["any", "elsewhere", "here"]), default="any", show_default=True,
              help="Cut only where names of other files are used, or only where not.")  # fmt: skip
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only files that came in on that day or later.")
@click.option("--time", "minutes", type=FiniteRange(0.1, 100_000), default=30.0, show_default=True,
              metavar="MINUTES", help="As many holes as fit.")  # fmt: skip
@click.option("--holes", "most", type=click.IntRange(1), help="So many holes instead.")
@click.option("--raw", is_flag=True, help="The model alone: its text until it ends, not what the app would show of it.")
@click.option("--check", "check_command", metavar="COMMAND",
              help="Run this in a copy of the repository with each suggestion in its place, in a sandbox.")  # fmt: skip
@click.option(
    "--unsafe",
    is_flag=True,
    help="Run it, or a suite's programs, without a sandbox: what a model wrote may do all that you may.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Other holes.")
@click.option("--fresh", is_flag=True, help="Measure again what an earlier run measured.")
@click.option("--threads", type=click.IntRange(1, 1024), help="[default: the physical cores]")
@click.option("--force", is_flag=True, help="Load models that do not fit into memory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE",
              help="Write a report with plots and the best and worst cases, too.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No progress bars.")
@click.option("--from-log", is_flag=True, help="Say instead which suggestions were taken while you worked.")
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    suite_file: Path | None,
    models: tuple[str, ...],
    loras: tuple[str, ...],
    layouts: tuple[LayoutName, ...],
    lengths: tuple[int, ...],
    contexts: tuple[Level, ...],
    reference: str | None,
    kinds: tuple[Kind, ...],
    names: Names,
    since: datetime | None,
    minutes: float,
    most: int | None,
    raw: bool,
    check_command: str | None,
    unsafe: bool,
    seed: int,
    fresh: bool,
    threads: int | None,
    force: bool,
    as_json: bool,
    html: Path | None,
    quiet: bool,
    from_log: bool,
) -> None:
    """Cut holes into the code below PATH, and see which model fills them best.

    The first model is what the others are compared with. A run that was interrupted goes on when it is started again.
    """
    if from_log:
        return _print_log(ctx, as_json=as_json)
    from localcoder.evaluate.candidates import make_candidates
    from localcoder.evaluate.check import Checker
    from localcoder.evaluate.compare import compare
    from localcoder.evaluate.holes import KINDS, cut
    from localcoder.evaluate.journal import Journal
    from localcoder.evaluate.own_code import own_files
    from localcoder.evaluate.run import Evaluation, Task
    from localcoder.evaluate.sandbox import Sandbox
    from localcoder.evaluate.suites.read import read_suite
    from localcoder.evaluate.suites.scoring import Scorer, runs
    from localcoder.paths import cache_dir

    if suite_file is not None:
        _refuse_beside_suite(
            {"PATH": folder, "--kind": kinds, "--names": names != "any", "--since": since, "--raw": raw,
             "--check": check_command, "--context": set(contexts) - {"off"}}
        )  # fmt: skip
    place = suite_file or folder or Path()
    chosen = settings.load()
    options = make_options(chosen)
    candidates = make_candidates(
        [_file(name) for name in models or (chosen.model,)],
        [Lora.parse(each) for each in loras],
        layouts or (Options.layout,),
        lengths or (DEFAULT_PROMPT_TOKENS,),
        ("off",) if suite_file is not None else contexts or (chosen.context,),
    )
    for candidate in candidates:
        _ = candidate.identity  # Whether its files are there.
    referred = _file(reference) if reference else None
    suite = None if suite_file is None else read_suite(suite_file, seed=seed)
    if suite is not None:
        holes: Sequence[Hole] = suite.holes
    else:
        files = own_files(place, since=since)
        holes = cut(files, seed=seed, kinds=kinds or KINDS, names=names, max_tokens=options.max_tokens)

    def engine_of(candidate: Candidate) -> Engine:
        return make_engine(
            str(candidate.model), chosen, threads=threads, loras=candidate.loras, snapshots=False, force=force
        )

    name = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:16]
    journal = Journal(cache_dir() / "evaluations" / f"{name}.jsonl", fresh=fresh)
    with ExitStack() as stack:
        checker = None
        if check_command is not None:
            checker = stack.enter_context(closing(Checker(place, check_command, Sandbox(unsafe=unsafe))))
            click.echo(checker.note, err=True)
        scorer = None
        if suite is not None:
            scorer = Scorer(suite, Sandbox(unsafe=unsafe) if runs(suite) else None)
            click.echo(scorer.note, err=True)
        task = Task(
            holes=holes,
            candidates=candidates,
            options=options,
            raw=raw,
            raw_tokens=None if suite is None else suite.max_tokens,
            reference=referred,
            repository=Path(chosen.repository).expanduser() if chosen.repository else None,
            seconds=minutes * 60,
            most=most,
            extra_s=checker.truth.seconds if checker is not None else 2 * scorer.seconds if scorer is not None else 0.0,
        )
        evaluation = Evaluation(task, engine_of, journal)
        checks: Checks | None = None
        scores: Scores | None = None
        interrupted = False
        try:
            files_are = "files" if suite is None else "problems"
            taken = asyncio.run(_run(evaluation, len(candidates), files_are, quiet=quiet))
            if checker is not None:
                checks = watch(checker.all_of(taken, evaluation.measured, journal), quiet=quiet)
            if scorer is not None:
                scores = watch(scorer.all_of(taken, evaluation.measured, journal), quiet=quiet)
        except KeyboardInterrupt:
            interrupted = True
    note = checker.note if checker is not None and checks is not None else ""
    if scorer is not None and scores is not None:
        note = scorer.note
    name = suite.name if suite is not None else ""
    comparison = compare(holes, evaluation.measured, checks, note, scores=scores, suite=name)
    if comparison is not None:
        _print(comparison, place, as_json=as_json, html=html)
    if journal.trouble:
        click.echo(f"Another run cannot go on from this one: {journal.trouble}.", err=True)
    if interrupted:
        raise LocalcoderError("Interrupted.", "The same command goes on.", exit_code=130)
    if comparison is None:
        raise next(each.error for each in evaluation.measured if each.error is not None)


def _print_log(ctx: click.Context, *, as_json: bool) -> None:
    from localcoder.evaluate.acceptance import report
    from localcoder.evaluate.acceptance.log import log_file, read_log
    from localcoder.evaluate.acceptance.summary import summarise

    given = [each for each in ctx.params if ctx.get_parameter_source(each) is click.core.ParameterSource.COMMANDLINE]
    if others := [each for each in ctx.command.params if each.name in given and each.name not in _WITH_LOG]:
        raise click.UsageError(f"{others[0].get_error_hint(ctx)} has nothing to do with --from-log.")
    try:
        summary = summarise(read_log())
    except OSError as error:
        raise LocalcoderError(f"{log_file()} cannot be read: {reason(error)}.", "Check its permissions.") from None
    if summary is None:
        raise LocalcoderError(
            "No suggestion was noted yet.", "Turn it on: localcoder settings set log_acceptance true; then work."
        )
    if as_json:
        click.echo(json.dumps(report.as_json(summary)))
    else:
        click.echo(report.table(summary, _width()))


_WITH_LOG = ("from_log", "as_json", "quiet")


async def _run(evaluation: Evaluation, candidates: int, files_are: str, *, quiet: bool) -> Sequence[Hole]:
    """Measure, and return the holes that were taken."""
    try:
        plan: Plan = await watch_stream(evaluation.begin(), quiet=quiet)
        files = len({hole.file.name for hole in plan.holes})
        what = f"{len(plan.holes):,} holes in {files:,} {files_are}"
        if candidates > 1:
            what += f" for each of {candidates}"
        click.echo(f"{what}: about {_duration(plan.seconds)}.", err=True)
        await watch_stream(evaluation.go_on(plan), quiet=quiet)
        return plan.holes
    finally:
        await evaluation.close()


def _refuse_beside_suite(options: Mapping[str, object]) -> None:
    """A suite has its own holes and judges. Raises LocalcoderError (exit code 2) for an option that is given."""
    for name, value in options.items():
        if value:
            raise LocalcoderError(f"{name} does not go with --suite.", "Leave one of them out.", exit_code=2)


def _print(comparison: Comparison, place: Path, *, as_json: bool, html: Path | None) -> None:
    """`place` is the folder or the suite's file."""
    from localcoder.evaluate import report
    from localcoder.evaluate.page import page

    if as_json:
        click.echo(json.dumps(report.as_json(comparison)))
    else:
        click.echo(report.table(comparison, _width()))
    if html is not None:
        title = f"{comparison.suite}: {place.name}" if comparison.suite else f"Holes in {place.resolve().name}"
        write_page(html, page(comparison, title))


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _file(name: str | None) -> Path:
    from localcoder.models.references import RemoteModel
    from localcoder.models.store import refer

    reference = refer(name or None)
    if isinstance(reference, RemoteModel):
        raise LocalcoderError(f"{reference.url}: models on a server cannot be used yet.", "Name a file.", exit_code=2)
    return reference.path


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
