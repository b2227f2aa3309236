"""`localcoder serve`: completions over HTTP."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from localcoder import installation
from localcoder.cli import consent
from localcoder.cli.numbers import FiniteRange
from localcoder.errors import LocalcoderError

_ANSWERS_END_S = 2
"""Seconds that answers which are being given have to come to their end when the server is told to end."""


@click.command()
@click.option("-m", "--model", help="A model's name, a GGUF file's path (./NAME always is one), or a server's "
              "address. Default: the settings', else the bundled one.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8012, show_default=True, help="0: any free one.")
@click.option("--token", envvar="LOCALCODER_TOKEN", help="Ask for it; required beyond loopback. Or LOCALCODER_TOKEN.")
@click.option("--threads", type=click.IntRange(min=1), help="Default: the physical cores.")
@click.option("--idle-minutes", type=FiniteRange(min=0), help="Then unload. Default: the settings', 30.")
@click.option("--force", is_flag=True, help="Load a model that does not fit into memory.")
def command(
    model: str | None,
    host: str,
    port: int,
    token: str | None,
    threads: int | None,
    idle_minutes: float | None,
    force: bool,
) -> None:
    """Serve completions to editors over the APIs of llama-server, OpenAI, Mistral and Ollama."""
    if not _is_loopback(host) and not token:
        raise LocalcoderError(
            f"{host} can be reached from other machines.", "Give --token, or listen on 127.0.0.1.", exit_code=2
        )
    try:
        import uvicorn

        from localcoder.serve.app import make_app
        from localcoder.serve.noting import Noting
    except ImportError:
        raise LocalcoderError(
            "The HTTP endpoint needs Starlette and uvicorn.", f"Install them: {installation.add('serve')}"
        ) from None
    from localcoder import settings
    from localcoder.assembly import make_engine, make_gathering, make_options
    from localcoder.code.repository import root_of
    from localcoder.engine.api import Engine
    from localcoder.models.references import LocalModel

    chosen = settings.load()
    if idle_minutes is not None:
        chosen = replace(chosen, idle_minutes=idle_minutes)
    engine = make_engine(model, chosen, threads=threads, force=force, ask=consent.ask, say=consent.say)
    listener = _listen(host, port)

    async def run() -> None:
        loading = asyncio.ensure_future(engine.info())
        _when_told_to_end(loading.cancel)
        try:
            info = await loading
            shown = f"[{host}]" if ":" in host else host
            click.echo(f"{info.name} at http://{shown}:{listener.getsockname()[1]}", err=True)
            noting = None
            if chosen.log_acceptance:
                noting = Noting(keep_text=chosen.keep_text, warn=partial(click.echo, err=True))
            hosts = {} if _is_loopback(host) else {"hosts": frozenset({"*"})}
            usual = make_options(chosen, first_token_s=chosen.first_token_s, checks=True)

            def start(path: Path) -> Engine:
                # The adapter is for the model that was chosen.
                return make_engine(
                    LocalModel(path), replace(chosen, adapter_on=False), threads=threads, force=force, say=consent.say
                )

            around = make_gathering(chosen, root_of(Path("file")))
            app = make_app(engine, usual=usual, token=token, noting=noting, start=start, gathering=around, **hosts)
            _when_told_to_end(app.state.models.end)
            config = uvicorn.Config(
                app, log_level="warning", access_log=False, timeout_graceful_shutdown=_ANSWERS_END_S
            )
            try:
                await uvicorn.Server(config).serve(sockets=[listener])
            finally:
                if noting is not None:
                    noting.close()
                await app.state.models.close()
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            await engine.close()

    with listener:
        asyncio.run(run())


def _when_told_to_end(act: Callable[[], object]) -> None:
    """Act on Ctrl+C and SIGTERM, and do nothing else: the caller ends in order.

    uvicorn ends on them too, and then raises them once more, which would cut short whatever comes after it.
    """
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, act)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise LocalcoderError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            "Choose another --port or --host.",
            exit_code=2,
        ) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
