"""`localcoder complete`: the completion at a cursor, on standard output."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localcoder import settings
from localcoder.assembly import make_engine, make_gathering, make_options
from localcoder.cli import consent
from localcoder.cli.numbers import FiniteRange
from localcoder.completion.complete import Completion, Options, TextDelta, complete
from localcoder.completion.context.level import LEVELS, Level
from localcoder.completion.document import Document, document_from_bytes, read_document
from localcoder.completion.ending import MODES, Mode
from localcoder.completion.layout import LAYOUTS, LayoutName
from localcoder.engine.api import Engine, Lora
from localcoder.errors import LocalcoderError

if TYPE_CHECKING:
    from localcoder.completion.context.gathering import Gathering


@click.command()
@click.argument("where", metavar="FILE:LINE:COL | FILE | -")
@click.option("--line", type=click.IntRange(min=1), help="Line of the cursor, from 1.")
@click.option("--col", type=click.IntRange(min=1), help="Column that the cursor stands before, from 1.")
@click.option("--marker", help="Text in the file that stands for the cursor, for example '<CURSOR>'.")
@click.option("-m", "--model", help="A model's name, a GGUF file's path (./NAME always is one), or a server's "
              "address. Default: the settings', else the bundled one.")  # fmt: skip
@click.option("--layout", type=click.Choice(LAYOUTS), default=Options.layout, show_default=True)
@click.option("--mode", type=click.Choice(MODES), help="When to stop. Default: the settings'.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Default: the settings'.")
@click.option("--temperature", type=FiniteRange(min=0), help="0: always the same. Default: the settings'.")
@click.option(
    "--context",
    type=click.Choice(LEVELS),
    metavar="LEVEL",
    help=f"What it rests on besides the file: {', '.join(LEVELS)}. Default: the settings'.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Default: the physical cores.")
@click.option("--lora", multiple=True, metavar="FILE[:SCALE]", help="A GGUF adapter on top of the model.")
@click.option("--snapshots/--no-snapshots", default=True, help="Keep what was read on disk, for the next time.")
@click.option("--force", is_flag=True, help="Load a model that does not fit into memory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
def command(
    where: str,
    line: int | None,
    col: int | None,
    marker: str | None,
    model: str | None,
    layout: LayoutName,
    mode: Mode | None,
    max_tokens: int | None,
    temperature: float | None,
    context: Level | None,
    seed: int,
    threads: int | None,
    lora: tuple[str, ...],
    snapshots: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Complete the code at a cursor and print the completion, and nothing else, on standard output.

    What is to be distrusted in it is said on standard error (setting `checks`).

    The cursor stands before LINE:COL, both counted from 1; without them, at the end. `-` reads standard input.
    """
    document = _document(where, line, col, marker)
    chosen = settings.load()
    chosen = replace(chosen, context=context or chosen.context)
    options = make_options(
        chosen, layout=layout, mode=mode, max_tokens=max_tokens, temperature=temperature, seed=seed, checks=True
    )
    loras = [Lora.parse(each) for each in lora]
    engine = make_engine(
        model, chosen, threads=threads, loras=loras, snapshots=snapshots, force=force, ask=consent.ask, say=consent.say
    )
    completion = asyncio.run(_run(document, engine, options, make_gathering(chosen), stream=not as_json))
    if as_json:
        click.echo(_as_json(completion))
        return
    if completion.findings and not completion.text.endswith("\n") and sys.stdout.isatty():
        click.echo(err=True)
    for each in completion.findings:
        place = f"{document.path or '-'}:{each.line}:{each.column}"
        click.echo(f"{place}: {each.what}. {each.why} ({each.check})", err=True)


async def _run(
    document: Document, engine: Engine, options: Options, gathering: Gathering, *, stream: bool
) -> Completion:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    if hasattr(signal, "SIGTERM") and sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    completion = None
    try:
        await gathering.gather(document, wait=True)
        async for update in complete(gathering.put(document), engine, options):
            if stream and isinstance(update, TextDelta):
                click.echo(update.text, nl=False)
            elif isinstance(update, Completion):
                completion = update
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        await engine.close()
    assert completion is not None
    return completion


def _document(where: str, line: int | None, col: int | None, marker: str | None) -> Document:
    name = where
    if where == "-":
        document = document_from_bytes(sys.stdin.buffer.read(), "Standard input")
    else:
        if (match := re.fullmatch(r"(.+?):(\d{1,9})(?::(\d{1,9}))?", where)) and not os.path.exists(where):  # noqa: PTH110
            if line is not None or col is not None:
                raise LocalcoderError(
                    "The cursor is given twice.", "Use FILE:LINE:COL or --line and --col.", exit_code=2
                )
            name, line, col = match[1], int(match[2]), int(match[3] or 1)
        document = read_document(Path(name))
    if marker:
        if line is not None or col is not None:
            raise LocalcoderError("The cursor is given twice.", "Use a position or --marker, not both.", exit_code=2)
        return _at_marker(document, marker)
    if line is None and col is None:
        return document
    if line is None:
        raise LocalcoderError("--col needs --line.", "Give both.", exit_code=2)
    return document.at(line, col or 1)


def _at_marker(document: Document, marker: str) -> Document:
    count = document.text.count(marker)
    if count != 1:
        raise LocalcoderError(
            f"The marker {marker!r} is in the text {count} times.", "It has to be there once.", exit_code=2
        )
    before, after = document.text.split(marker)
    return replace(document, text=before + after, cursor=len(before))


def _as_json(completion: Completion) -> str:
    stats = completion.stats
    return json.dumps(
        {
            "text": completion.text,
            "stop_reason": completion.reason,
            "model": completion.model,
            "prompt_ids": completion.prompt_ids,
            "context": [snippet.path for snippet in completion.elsewhere],
            "tokens_read": stats.tokens_read,
            "tokens_reused": stats.tokens_reused,
            "tokens_generated": stats.tokens_generated,
            "first_token_s": round(stats.first_token_s, 6),
            "tokens_per_s": round(stats.tokens_per_s, 3),
            "findings": [each.fields() for each in completion.findings],
        }
    )
