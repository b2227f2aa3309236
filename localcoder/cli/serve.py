"""`localcoder serve`: completions over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from localcoder import installation
from localcoder.cli import consent
from localcoder.cli.numbers import FiniteRange
from localcoder.errors import LocalcoderError


@click.command()
@click.option("-m", "--model", help="A model's name, a GGUF file's path (./NAME always is one), or a server's "
              "address. Default: the settings', else the bundled one.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address or name to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8012, show_default=True, help="0: any free one.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Ask clients for one of its lines.")
@click.option("--token", envvar="LOCALCODER_TOKEN", help="Ask for this one. Others see it here: better "
              "LOCALCODER_TOKEN in the environment. One is required beyond loopback.")  # fmt: skip
@click.option("--origin", "origins", multiple=True, help="A page that may ask, too: https://HOST; vscode-webview:// is "
              "all of that kind.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="Default: the physical cores.")
@click.option("--idle-minutes", type=FiniteRange(min=0), help="Then unload. Default: the settings', 30.")
@click.option("--force", is_flag=True, help="Load a model that does not fit into memory.")
@click.option("--check", "checked_url", metavar="URL", help="Try a server that runs, as an editor would, and say what "
              "it does.")  # fmt: skip
@click.option("--print-service", is_flag=True, help="Print what has systemd or launchd start this with your session.")
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    host: str,
    port: int,
    token_file: Path | None,
    token: str | None,
    origins: tuple[str, ...],
    threads: int | None,
    idle_minutes: float | None,
    force: bool,
    checked_url: str | None,
    print_service: bool,
) -> None:
    """Serve completions to editors over the APIs of llama-server, OpenAI, Mistral and Ollama."""
    if print_service:
        _print_service(ctx)
        return
    tokens = tuple(dict.fromkeys([*(_read_tokens(token_file) if token_file else ()), *([token] if token else ())]))
    if checked_url is not None:
        from localcoder.cli import checks
        from localcoder.serve.check import check

        ctx.exit(int(checks.show(check(checked_url, tokens[0] if tokens else None))))
    address, is_loopback = _resolved(host, port)
    if not is_loopback and not tokens:
        raise LocalcoderError(
            f"{host} can be reached from other machines.",
            "Give --token-file, set LOCALCODER_TOKEN, or listen on 127.0.0.1.",
            exit_code=2,
        )
    try:
        from localcoder.serve.app import make_app
        from localcoder.serve.guard import Access, host_name
        from localcoder.serve.noting import Noting
        from localcoder.serve.server import Server
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
    access = Access(tokens, frozenset({host_name(host)}), has_any_name=not is_loopback, origins=origins)
    engine = make_engine(model, chosen, threads=threads, force=force, ask=consent.ask, say=consent.say)
    listener = _listen(address, port)

    async def run() -> None:
        loading = asyncio.ensure_future(engine.info())
        noting = None
        if chosen.log_acceptance:
            noting = Noting(keep_text=chosen.keep_text, warn=partial(click.echo, err=True))
        usual = make_options(chosen, first_token_s=chosen.first_token_s, checks=True)

        def start(path: Path) -> Engine:
            # The adapter is for the model that was chosen.
            return make_engine(
                LocalModel(path), replace(chosen, adapter_on=False), threads=threads, force=force, say=consent.say
            )

        app = make_app(
            engine,
            usual=usual,
            access=access,
            noting=noting,
            start=start,
            # The files of clients on other machines are not in the folder that this was started in.
            gathering=make_gathering(chosen, root_of(Path("file")) if is_loopback else None),
            is_loading=lambda: not loading.done(),
        )
        server = Server(app)

        def end() -> None:
            server.end()
            loading.cancel()
            app.state.models.end()

        _when_told_to_end(end)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        try:
            if sys.stderr.isatty():
                click.echo(f"Loading the model; until then {url} answers 503.", err=True)
            with suppress(asyncio.CancelledError):
                info = await loading
                click.echo(f"{info.name} at {url}", err=True)
            await serving
        finally:
            server.end()
            await serving
            if noting is not None:
                noting.close()
            await app.state.models.close()
            await engine.close()
            _ignore_what_tells_to_end()

    with listener:
        asyncio.run(run())


def _when_told_to_end(act: Callable[[], object]) -> None:
    """Act on Ctrl+C and SIGTERM, however often they come: the caller ends in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))


def _ignore_what_tells_to_end() -> None:
    """What is left is to leave: whoever is impatient gets no traceback of that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _resolved(host: str, port: int) -> tuple[str, bool]:
    """An address of the host, and whether only this machine reaches all of its addresses."""
    import ipaddress

    from localcoder import offline

    try:
        with offline.allow(host):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LocalcoderError(
            f"{host} is no address: {getattr(error, 'strerror', None) or error}.", "Choose another --host.", exit_code=2
        ) from None
    # IPv4 first: what a client tries that is told a name of both.
    addresses = [str(address[0]) for *_, address in sorted(found, key=lambda each: each[0] != socket.AF_INET)]
    return addresses[0], all(ipaddress.ip_address(each.partition("%")[0]).is_loopback for each in addresses)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        raise LocalcoderError(
            f"Cannot listen on {address}:{port}: {error.strerror or error}.",
            "Choose another --port or --host.",
            exit_code=2,
        ) from None


def _read_tokens(path: Path) -> list[str]:
    """A token a line. A line that begins with # is a remark: whose the next one is, say."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LocalcoderError(
            f"The token file cannot be read: {reason}.", "--token-file is a file with a token a line.", exit_code=2
        ) from None
    tokens = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not tokens:
        raise LocalcoderError(f"There is no token in {path}.", "Write one into it, a line each.", exit_code=2)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        click.echo(f"Others can read {path}: chmod 600 {path}", err=True)
    return tokens


def _print_service(ctx: click.Context) -> None:
    from localcoder.serve.service_unit import service_unit

    given = [
        option
        for option in ctx.command.params
        if isinstance(option, click.Option) and ctx.get_parameter_source(option.name or "") is _ON_THE_COMMAND_LINE
    ]
    if any(option.name == "token" for option in given):
        raise LocalcoderError("A service's command line is for all to read.", "Use --token-file.", exit_code=2)
    arguments = []
    for option in given:
        value = ctx.params[option.name or ""]
        if option.name == "print_service":
            continue
        for each in value if option.multiple else [value]:
            arguments += [option.opts[-1]] if option.is_flag else [option.opts[-1], _without_folder(each)]
    unit, todo = service_unit(arguments)
    click.echo(unit, nl=False)
    click.echo(todo, err=True)


_ON_THE_COMMAND_LINE = click.core.ParameterSource.COMMANDLINE


def _without_folder(value: object) -> str:
    """A service starts in another folder: what is a path here is one from the top there."""
    text, path = str(value), Path(str(value)).expanduser()
    is_path = isinstance(value, Path) or text.startswith(("./", "../", "~/")) or (os.sep in text and path.exists())
    return str(path.absolute()) if is_path else text
