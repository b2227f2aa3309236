"""`localcoder [FILE]`: the app."""

from __future__ import annotations

from pathlib import Path

import click

from localcoder.engine.api import Engine
from localcoder.settings import Settings


@click.command(
    help="Open FILE, or an empty buffer, in the app. A FILE that does not exist yet is made when it is saved."
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--model", metavar="MODEL", help="A model's name, or the path of a GGUF file.")
def command(file: Path | None = None, model: str | None = None) -> None:
    from localcoder import settings
    from localcoder.tui.app import LocalcoderApp
    from localcoder.tui.start import begin

    chosen = settings.load()
    start = begin(file, restore=chosen.restore_session)
    app = LocalcoderApp(
        lambda name: _make_engine(name, app.settings),
        start.buffers,
        active=start.active,
        model=model or start.model,
        chosen=chosen,
        notice=start.notice,
        ask_at_once=start.is_first,
    )
    app.run()


def _make_engine(model: str | None, settings: Settings) -> Engine:
    from localcoder.cli.complete import read_lora
    from localcoder.engine.local import LocalEngine
    from localcoder.models.store import resolve
    from localcoder.paths import snapshots_dir

    loras = [read_lora(settings.adapter)] if settings.adapter and settings.adapter_on else []
    return LocalEngine(resolve(model), loras=loras, snapshots_dir=snapshots_dir())
