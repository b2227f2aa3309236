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
@click.option("--revision", default="", metavar="REV", help="Of a checkpoint on the hub: branch, tag or commit.")
@click.option("--keep", is_flag=True, help="Keep the checkpoint that was fetched from the hub, in OUTPUT/NAME.")
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
    revision: str,
    keep: bool,
    threads: int | None,
    quiet: bool,
) -> None:
    """Turn the StarCoder2 checkpoint, or PEFT LoRA adapter, in the folder CHECKPOINT into GGUF files.

    CHECKPOINT may also be a repository on the Hugging Face hub, like bigcode/starcoder2-3b: it is fetched shard by
    shard, each checked, used and deleted; a run that was interrupted goes on where it ended.

    The weights are read once, whatever the number of types. Each file appears when it is complete, with its sha256
    beside it. After an interruption the same command goes on from the tensors that were finished.
    """
    from localcoder.models.conversion import Conversion, convert, is_repository, plan

    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run.")
    if (revision or keep) and not is_repository(checkpoint):
        raise click.UsageError("--revision and --keep are for checkpoints on the hub.")
    wanted = Conversion(
        checkpoint=checkpoint,
        out=output,
        types=types,
        fit=fit or "",
        bpw=bpw or 0.0,
        imatrix=imatrix,
        split_max_size=split_max_size or "",
        revision=revision,
        keep=keep,
        threads=threads or 0,
    )
    if dry_run:
        prepared = watch(plan(wanted, errors=not as_json), quiet=quiet)
        click.echo(_as_json(prepared) if as_json else _as_table(prepared))
        return
    for written in watch(convert(wanted, say=lambda line: click.echo(line, err=True)), quiet=quiet):
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
