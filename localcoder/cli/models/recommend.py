"""`localcoder models recommend`: what each model would need here, and which one to get."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """Say which model suits this machine, and what every size and type would need."""
    from localcoder.hardware import gpus
    from localcoder.models.catalog import ALL_ENTRIES
    from localcoder.models.memory_fit import ALL_LAYERS, advise, available_bytes, fit, gigabytes

    free, devices = available_bytes(), gpus()
    advice = advise(free, devices)
    rows = [(entry, fit(entry.size_bytes, entry.size, free, devices)) for entry in ALL_ENTRIES]
    if as_json:
        models = [
            {"name": e.name, "size": e.size.label, "type": e.type_name, "size_bytes": e.size_bytes, **asdict(found)}
            for e, found in rows
        ]
        best = advice.entry.name if advice.entry else None
        click.echo(json.dumps({"recommended": best, "reason": advice.reason, "models": models}, indent=1))
        return
    for device in devices:
        click.echo(f"{device.name}: {gigabytes(device.free_bytes)} of {gigabytes(device.total_bytes)} free")
    click.echo(f"{advice.entry.name}: {advice.reason}." if advice.entry else f"No model: {advice.reason}.")
    if advice.entry:
        click.echo(f"Get it: localcoder models pull {advice.entry.name}")
    click.echo()
    width = max(len(entry.name) for entry, _ in rows)
    click.echo(f"  {'':<{width}}  size  type      download    needs  verdict       context  threads  GPU layers")
    for entry, found in rows:
        mark = "*" if entry == advice.entry else " "
        layers = "all" if found.gpu_layers == ALL_LAYERS else str(found.gpu_layers)
        size, needs = gigabytes(entry.size_bytes), gigabytes(found.needs_bytes)
        click.echo(
            f"{mark} {entry.name:<{width}}  {entry.size.label:<4}  {entry.type_name:<7} {size:>10} {needs:>8}  "
            f"{found.verdict:<12}  {found.context_tokens:>7}  {found.threads:>7}  {layers:>10}"
        )
