"""`localcoder [FILE]`: the app."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    help="Open FILE, or an empty buffer, in the app. A FILE that does not exist yet is made when it is saved."
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="MODEL", help="A model's name, a GGUF file's path, or a server's address.")
@click.option("--force", is_flag=True, help="Load a model that does not fit into memory.")
def command(file: Path | None = None, model: str | None = None, force: bool = False) -> None:
    from localcoder import settings
    from localcoder.assembly import allow_server, make_engine
    from localcoder.cli import consent
    from localcoder.tui.app import LocalcoderApp
    from localcoder.tui.start import begin

    chosen = settings.load()
    start = begin(file, restore=chosen.restore_session)
    chosen = allow_server(model or start.model, chosen, consent.ask)
    app = LocalcoderApp(
        lambda name: make_engine(name, app.settings, force=force, say=lambda line: app.notify(line, markup=False)),
        start.buffers,
        active=start.active,
        model=model or start.model,
        chosen=chosen,
        notice=start.notice,
        ask_at_once=start.is_first,
    )
    app.run()
