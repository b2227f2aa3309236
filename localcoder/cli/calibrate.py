"""`localcoder calibrate`: an importance matrix from the user's own code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from converters.errors import ConvertError
from localcoder.cli.progress import watch_stream

if TYPE_CHECKING:
    from localcoder.engine.api import Engine
    from localcoder.evaluate.calibrate import Calibration, CalibrationProgress


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.gguf")
@click.argument("more", type=click.Path(path_type=Path), nargs=-1, metavar="")
@click.option("--text", "texts", type=click.Path(path_type=Path), multiple=True, required=True, metavar="DIR|FILE",
              help="Code of the kind that will be completed; more of it may follow.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The importance matrix, for --imatrix here and in llama-quantize.")  # fmt: skip
@click.option("--form", "forms", type=click.Choice(["plain", "fim", "repo"]), multiple=True,
              help="Prompts to make of the files, by turns.  [default: all three]")  # fmt: skip
@click.option(
    "--chunk-size",
    type=click.IntRange(16, 4096),
    metavar="TOKENS",
    help="Tokens at once.  [default: 512, or the window]",
)
@click.option("--chunks", type=click.IntRange(1), help="Stop after so many.  [default: all the text]")
@click.option("--threads", type=click.IntRange(1, 1024), help="How many to use.  [default: one a core]")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    model: Path,
    more: tuple[Path, ...],
    texts: tuple[Path, ...],
    output: Path,
    forms: tuple[str, ...],
    chunk_size: int | None,
    chunks: int | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Run code through MODEL.gguf and note how much each column of each matrix is used.

    Best on an unquantized model (-t BF16 or F16); Q8_0 will do. Some 100,000 tokens are enough.
    """
    from converters.gguf_file import read_gguf
    from converters.imatrix import imatrix_bytes
    from converters.output import write_whole
    from localcoder.assembly import make_calibrator
    from localcoder.code.walk import find_sources
    from localcoder.evaluate.calibrate import FORMS, calibrate

    file = read_gguf(model)
    if file.complete_bytes > file.file_bytes or file.get("general.architecture") != "starcoder2":
        raise ConvertError(f"{model} is not a whole StarCoder2 model.", "See `localcoder inspect`.", exit_code=2)
    texts += more
    if output.exists() and any(path.exists() and path.samefile(output) for path in (model, *texts)):
        raise click.BadParameter(f"{output} is an input.", param_hint="-o")
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise click.BadParameter(f"{output} cannot be a file.", param_hint="-o")
    sources = find_sources(texts)
    engine = make_calibrator(model, threads)
    work = calibrate(engine, sources, forms=forms or FORMS, chunk_tokens=chunk_size or 0, max_chunks=chunks or 0)
    found = asyncio.run(_run(work, engine, quiet=quiet))
    names = sorted({str(path) for path in texts})
    write_whole(output, imatrix_bytes(found.sums, found.counts, names, found.chunks, found.chunk_tokens))
    tokens = max(found.counts.values())
    click.echo(f"{output}  {tokens:,} tokens of {len(sources)} files  {len(found.sums)} matrices")


async def _run(
    work: AsyncGenerator[CalibrationProgress | Calibration, None], engine: Engine, *, quiet: bool
) -> Calibration:
    try:
        return await watch_stream(work, quiet=quiet)
    finally:
        await engine.close()
