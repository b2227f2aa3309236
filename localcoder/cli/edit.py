"""`localcoder [FILE]`: the app, on a file or a folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    help="Open FILE, or what is piped in, or an empty buffer, in the app. A FILE that does not exist yet is made when "
    "it is saved; of a folder the files are shown as a tree."
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="MODEL", help="A model's name, a GGUF file's path, or a server's address.")
@click.option("--force", is_flag=True, help="Load a model that does not fit into memory.")
def command(file: Path | None = None, model: str | None = None, force: bool = False) -> None:
    from localcoder import settings
    from localcoder.assembly import allow_server, make_engine
    from localcoder.cli import consent
    from localcoder.tui.app import LocalcoderApp
    from localcoder.tui.standard_input import piped_text, take_keys_from_terminal
    from localcoder.tui.start import begin

    chosen = settings.load()
    # With a FILE, what is piped in is somebody else's: a loop over lines, for example.
    start = begin(file, restore=chosen.restore_session, piped="" if file else piped_text())
    take_keys_from_terminal()
    chosen = allow_server(model or start.model, chosen, consent.ask)
    app = LocalcoderApp(
        lambda name: make_engine(name, app.settings, force=force, say=lambda line: app.notify(line, markup=False)),
        start.buffers,
        active=start.active,
        model=model or start.model,
        chosen=chosen,
        notice=start.notice,
        folder=start.folder,
        tour=start.tour,
    )
    app.run()
