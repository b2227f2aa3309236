"""`localcoder convert`: a checkpoint becomes GGUF files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localcoder.cli.progress import watch

if TYPE_CHECKING:
    from converters.request import Prepared


@click.command()
@click.argument("checkpoint", metavar="CHECKPOINT")
@click.option("-t", "--type", "types", multiple=True, metavar="TYPE",
              help="Q4_K_M, Q8_0, BF16, …; auto: what holds it without loss. May be given again.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), show_default="here",
              help="A directory for NAME-TYPE.gguf, or FILE.gguf for a single type.")  # fmt: skip
@click.option("--fit", metavar="SIZE", help="Choose types by measured error so that the file fits: 2.0GiB, 1900MB.")
@click.option("--bpw", type=float, metavar="BITS", help="The same, for so many bits a weight: 4.25.")
@click.option("--imatrix", type=click.Path(path_type=Path), metavar="FILE",
              help="An importance matrix, of `localcoder calibrate` or llama-imatrix.")  # fmt: skip
@click.option("--split-max-size", metavar="SIZE", help="Write files of at most this size: 2GB.")
@click.option("--dry-run", is_flag=True, help="Show what would be written: tensor, type, bytes, error.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: as JSON, without errors.")
@click.option("--threads", type=click.IntRange(1, 1024), default=None, help="How many to use.  [default: one a core]")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    checkpoint: str,
    types: tuple[str, ...],
    output: Path,
    fit: str | None,
    bpw: float | None,
    imatrix: Path | None,
    split_max_size: str | None,
    dry_run: bool,
    as_json: bool,
    threads: int | None,
    quiet: bool,
) -> None:
    """Turn the StarCoder2 checkpoint in the folder CHECKPOINT into GGUF files.

    The weights are read once, whatever the number of types. Each file appears when it is complete, with its sha256
    beside it.
    """
    from converters.checkpoint import open_checkpoint
    from converters.convert import run
    from converters.model import read_model
    from converters.plan import refuse_overwriting
    from converters.request import Request, check, prepare
    from converters.rows import LocalShards
    from converters.sizes import parse_size

    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run.")
    request = Request(
        out=output,
        types=types,
        fit_bytes=parse_size(fit) if fit else 0,
        fit_label=(fit or "").strip(),
        bpw=bpw or 0.0,
        imatrix=imatrix,
        split_max_bytes=parse_size(split_max_size) if split_max_size else 0,
        threads=threads or 0,
    )
    check(request)
    found = open_checkpoint(Path(checkpoint))
    shards = LocalShards(found.directory)
    prepared = watch(prepare(request, read_model(found), shards, errors=dry_run and not as_json), quiet=quiet)
    if dry_run:
        click.echo(_as_json(prepared) if as_json else _as_table(prepared))
        return
    refuse_overwriting(prepared.plan, [found.directory / shard for shard in found.shards])
    for written in watch(run(prepared.plan, shards, request.threads), quiet=quiet):
        click.echo(f"{written.path}  {written.size_bytes:,} bytes  {written.type}")


def _as_json(prepared: Prepared) -> str:
    outputs = [
        {
            "type": output.type,
            "bytes": output.size_bytes,
            "tensors": [
                {"name": tensor.name, "type": tensor.type, "bytes": tensor.size_bytes}
                for file in output.files
                for tensor in file.tensors
            ],
        }
        for output in prepared.plan.outputs
    ]
    return json.dumps({"outputs": outputs}, indent=1)


def _as_table(prepared: Prepared) -> str:
    lines = []
    for output in prepared.plan.outputs:
        tensors = [tensor for file in output.files for tensor in file.tensors]
        total = 0.0
        for tensor in tensors:
            error = prepared.errors.get((tensor.name, tensor.type))
            total += error or 0.0
            shown = "" if error is None else f"{error:.4g}"
            lines.append(f"{tensor.name:<28} {tensor.type:<8} {tensor.size_bytes:>15,} {shown:>10}")
        lines.append(f"{output.type:<37} {output.size_bytes:>15,} {total:>10.4g}\n")
    return "\n".join(lines).rstrip()
