"""`localcoder [FILE]`: the app."""

from __future__ import annotations

from pathlib import Path

import click

from localcoder.engine.api import Engine


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
    LocalcoderApp(
        _make_engine,
        start.buffers,
        active=start.active,
        model=model or start.model,
        chosen=chosen,
        notice=start.notice,
        ask_at_once=start.is_first,
    ).run()


def _make_engine(model: str | None) -> Engine:
    from localcoder.engine.local import LocalEngine
    from localcoder.models.store import resolve
    from localcoder.paths import snapshots_dir

    return LocalEngine(resolve(model), snapshots_dir=snapshots_dir())
