"""`localcoder action`: documentation, types, tests and changes, as a unified diff."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import click

from localcoder import settings
from localcoder.actions.asking import Outcome, Task
from localcoder.actions.given import Lines, changed_lines, findings, is_diff, range_of
from localcoder.actions.hunks import unified_diff
from localcoder.actions.perform import ActionOptions, Done, perform
from localcoder.actions.table import ACTIONS, Action
from localcoder.actions.unit_tests import test_path_of
from localcoder.assembly import make_action_options, make_engine
from localcoder.cli import consent
from localcoder.cli.numbers import FiniteRange
from localcoder.code.guess import language_at
from localcoder.code.repository import root_of
from localcoder.completion.document import Document, document_from_bytes, read_document
from localcoder.engine.api import Engine
from localcoder.errors import LocalcoderError
from localcoder.files import reason, write_file

_WHERE = "FILE[:LINE[-LINE]] | -"
_LINES = r"\d{1,9}(?:-\d{1,9})?"


@dataclass(frozen=True)
class _Target:
    """One file, or what is on standard input, and the places in it; none means all of it."""

    document: Document
    places: tuple[Lines, ...]


@dataclass(frozen=True)
class _Result:
    """`outcome` is of the file as it was read, whatever was done to it one after the other."""

    outcome: Outcome
    model: str
    tokens_read: int
    tokens_generated: int


@click.group()
def command() -> None:
    """Have the model write documentation, types, tests and changes, and print them as a unified diff.

    WHERE is a FILE, or one or some lines of it. One line stands for the function or class around it; without lines, all
    of the file is meant. `-` reads standard input: a diff (`git diff | localcoder action docstring -`) means what it
    changes, `fix` takes what linters print, and anything else is the code itself.

    A base model is no assistant: what it writes may be wrong. Look at the diff before you use it.
    """


def _make(action: Action) -> click.Command:
    """The command of one action."""

    def run(where: str, **given: object) -> None:
        _run(action, where, _Given(**given))  # type: ignore[arg-type]

    for option in reversed(_options(action)):
        run = option(run)
    help_text = action.help
    if action.name == "fix":
        help_text += "\n\nWithout FINDING, `-` reads lines like `app.py:12:5: what is wrong`."
    return click.command(action.name, help=help_text)(run)


@dataclass(frozen=True)
class _Given:
    """The options of a command; what an action has no option for is as here."""

    model: str | None
    write: bool
    as_json: bool
    max_tokens: int | None
    temperature: float | None
    seed: int
    threads: int | None
    force: bool
    lines: str
    instruction: str = ""
    to: Path | None = None
    comment: bool = False


_Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _options(action: Action) -> list[_Decorator]:
    where = click.argument("where", metavar=_WHERE)
    own: list[_Decorator] = [where]
    if action.name == "change":
        own = [click.argument("instruction"), where]
    elif action.name == "fix":
        own = [where, click.argument("instruction", metavar="[FINDING]", default="")]
    elif action.name == "tests":
        own.append(click.option("--to", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                                help="Default: where the language's users put tests."))  # fmt: skip
    elif action.name == "explain":
        own.append(click.option("--comment", is_flag=True, help="Put it into the file, as a comment."))
    return [
        *own,
        click.option("--lines", metavar="LINE[-LINE]", default="", help="Lines of what is on standard input."),
        click.option("-w", "--write", is_flag=True, help="Write the change into the file instead of printing it."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("-m", "--model", help="A model's name, a GGUF file's path, or a server's address."),
        click.option("--max-tokens", type=click.IntRange(min=1), help="The most of each answer."),
        click.option("--temperature", type=FiniteRange(min=0), help="0: always the same. Default: the settings'."),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True),
        click.option("--threads", type=click.IntRange(min=1), help="Default: the physical cores."),
        click.option("--force", is_flag=True, help="Load a model that does not fit into memory."),
    ]


for _action in ACTIONS:
    command.add_command(_make(_action))


def _run(action: Action, where: str, given: _Given) -> None:
    targets = _targets(action, where, given.lines, given.instruction)
    if given.write and any(target.document.path is None for target in targets):
        raise LocalcoderError("Standard input cannot be written to.", "Leave --write out.", exit_code=2)
    chosen = settings.load()
    options = make_action_options(chosen, max_tokens=given.max_tokens, temperature=given.temperature, seed=given.seed)
    engine = make_engine(
        given.model, chosen, threads=given.threads, force=given.force, ask=consent.ask, say=consent.say
    )
    results = asyncio.run(_perform_all(action, targets, engine, options, given))
    for note in dict.fromkeys(note for result in results for note in result.outcome.notes):
        click.echo(f"localcoder: {note}", err=True)
    if given.as_json:
        click.echo(json.dumps(_fields(results)))
    for result in results:
        outcome = result.outcome
        if not given.as_json and outcome.explanation:
            click.echo(outcome.explanation)
        if given.write and outcome.edits:
            _write(outcome)
            click.echo(f"Changed {outcome.path}.", err=True)
        elif not given.as_json:
            # Bytes, so that line ends stay what they are.
            sys.stdout.buffer.write(_diff(outcome).encode("utf-8", "surrogateescape"))
            sys.stdout.flush()
    if not any(result.outcome.edits or result.outcome.explanation for result in results):
        raise click.exceptions.Exit(1)


# What is meant


def _targets(action: Action, where: str, which: str, said: str) -> list[_Target]:
    match = re.fullmatch(rf"(.+?):({_LINES})", where)
    if match is not None and not Path(where).exists():
        where, which = match[1], match[2]
    lines: tuple[Lines, ...] = ()
    if which:
        if not re.fullmatch(_LINES, which):
            raise LocalcoderError(f"{which!r} is no line.", "Give 12, or 12-20.", exit_code=2)
        first, _, last = which.partition("-")
        lines = (Lines(where, int(first), int(last or first), said),)
    if where != "-":
        return [_Target(read_document(Path(where)), lines)]
    document = document_from_bytes(sys.stdin.buffer.read(), "Standard input")
    if is_diff(document.text) and not lines:
        given = changed_lines(document.text)
    elif action.name == "fix" and not said and not lines:
        given = findings(document.text)
        if not given:
            todo = "It is read as lines like `app.py:12:5: what is wrong`."
            raise LocalcoderError("Standard input has no finding.", todo, exit_code=2)
    else:
        return [_Target(document, lines)]
    by_file = groupby(sorted(given, key=lambda each: each.path), key=lambda each: each.path)
    return [_Target(read_document(_found(path)), tuple(places)) for path, places in by_file]


def _found(name: str) -> Path:
    """A file by its name here, or in the repository around, as git names it."""
    here, root = Path(name), root_of(Path("any").absolute())
    return here if here.exists() or root is None or not (root / name).exists() else root / name


# What is done


async def _perform_all(
    action: Action, targets: Sequence[_Target], engine: Engine, options: ActionOptions, given: _Given
) -> list[_Result]:
    loop, running = asyncio.get_running_loop(), asyncio.current_task()
    assert running is not None
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        return [await _perform(action, target, engine, options, given) for target in targets]
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        await engine.close()


async def _perform(action: Action, target: _Target, engine: Engine, options: ActionOptions, given: _Given) -> _Result:
    """At each place of one file, from the last one to the first, so that lines are where they were said to be."""
    document = target.document
    places = sorted(target.places, key=lambda each: each.first, reverse=True) or (None,)
    result: _Result | None = None
    failed: LocalcoderError | None = None
    for place in places:
        task = _task(action, document, place, given, result)
        try:
            done = await _done(action, task, engine, options)
        except LocalcoderError as error:
            # Of several places, one where there is nothing to do is no error.
            if error.exit_code != 2 or len(places) == 1:
                raise
            failed = error
            continue
        result = _joined(result, done)
        if result.outcome.path == document.path:
            document = replace(document, text=result.outcome.after, cursor=0)
    if result is None:
        assert failed is not None
        raise failed
    return result


def _task(action: Action, document: Document, place: Lines | None, given: _Given, before: _Result | None) -> Task:
    language = language_at(document.path, document.text, 0)
    test_path, existing = None, ""
    if action.name == "tests" and document.path is not None:
        test_path = given.to or test_path_of(document.path, language)
        if before is not None:
            existing = before.outcome.after
        elif test_path.exists():
            existing = read_document(test_path).text
    return Task(
        document=document,
        language=language,
        selection=None if place is None else range_of(document.text, place),
        instruction=given.instruction or (place.what if place is not None else ""),
        test_path=test_path,
        existing_tests=existing,
        as_comment=given.comment,
    )


async def _done(action: Action, task: Task, engine: Engine, options: ActionOptions) -> Done:
    said = ""
    async for update in perform(action, task, engine, options):
        if isinstance(update, Done):
            return update
        if update.what != said and sys.stderr.isatty():
            said = update.what
            click.echo(f"localcoder: {said}…", err=True)
    raise AssertionError("an action always ends with what was done")


def _joined(before: _Result | None, done: Done) -> _Result:
    """What was done at one place after what was done at others of the same file."""
    if before is None:
        return _Result(done.outcome, done.model, done.tokens_read, done.tokens_generated)
    return _Result(
        before.outcome.then(done.outcome),
        done.model,
        before.tokens_read + done.tokens_read,
        before.tokens_generated + done.tokens_generated,
    )


# What comes out


def _write(outcome: Outcome) -> None:
    """Raises LocalcoderError when the file is not what it was when it was read."""
    path = outcome.path
    assert path is not None
    try:
        now = path.read_bytes() if path.exists() else None
        if now != (None if outcome.is_new else outcome.before.encode("utf-8")):
            raise LocalcoderError(f"{path} was changed meanwhile: nothing was written to it.", "Run this again.")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, outcome.after)
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be written: {reason(error)}.", "Check its permissions.") from None


def _diff(outcome: Outcome) -> str:
    return unified_diff(outcome.before, outcome.after, _name(outcome.path), is_new=outcome.is_new)


def _name(path: Path | None) -> str:
    if path is None:
        return "standard-input"
    here = Path.cwd()
    absolute = path.absolute()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else path).as_posix().lstrip("/")


def _fields(results: Sequence[_Result]) -> dict[str, object]:
    return {
        "changes": [
            {
                "path": None if outcome.path is None else str(outcome.path),
                "is_new": outcome.is_new,
                "edits": [
                    {"start": edit.range.start, "end": edit.range.end, "text": edit.text} for edit in outcome.edits
                ],
                "diff": _diff(outcome),
            }
            for outcome in (result.outcome for result in results)
            if outcome.edits
        ],
        "explanation": "\n\n".join(filter(None, (result.outcome.explanation for result in results))),
        "notes": [note for result in results for note in result.outcome.notes],
        "model": results[0].model if results else "",
        "tokens_read": sum(result.tokens_read for result in results),
        "tokens_generated": sum(result.tokens_generated for result in results),
    }
