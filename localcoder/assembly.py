"""The one place where parts are put together: settings become Options, and a model's name becomes an Engine.

Each value comes from the command line or the request if it is given there, else from the environment or the settings
file, else it is the setting's default; `localcoder.settings` has the last three in one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from localcoder.completion.complete import Options
from localcoder.completion.ending import Mode
from localcoder.completion.layout import LayoutName
from localcoder.engine.api import Engine, LocalOnly, Lora, Sampling
from localcoder.errors import LocalcoderError
from localcoder.models.memory_fit import does_not_fit, fit_file
from localcoder.models.references import LocalModel, Reference, RemoteModel, is_address
from localcoder.models.store import installed, refer
from localcoder.paths import snapshots_dir
from localcoder.settings import Settings, save

if TYPE_CHECKING:
    from localcoder.actions.perform import ActionOptions
    from localcoder.completion.context.gathering import Gathering
    from localcoder.engine.remote.address import Address

Ask = Callable[[str], bool]
"""Asks whether code may be sent to a host."""


def make_options(
    settings: Settings,
    *,
    layout: LayoutName = Options.layout,
    mode: Mode | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    seed: int = 0,
    first_token_s: float | None = None,
    logprobs: bool = False,
    checks: bool = False,
) -> Options:
    """How completions are to be made; what is None is as in the settings, or in `Options` for what has no setting.

    `first_token_s` None has the whole prompt read first: a command that prints one completion waits for the best.
    `checks` has it looked at, unless the settings turn that off.
    """
    return Options(
        layout=layout,
        mode=mode or settings.mode,
        max_tokens=settings.max_tokens if max_tokens is None else max_tokens,
        sampling=Sampling(temperature=settings.temperature if temperature is None else temperature, seed=seed),
        first_token_s=first_token_s,
        logprobs=logprobs,
        checks=checks and settings.checks,
        never_sent=tuple(settings.never_sent.split()),
    )


def make_action_options(
    settings: Settings, *, max_tokens: int | None = None, temperature: float | None = None, seed: int = 0
) -> ActionOptions:
    """How actions are to be done; what is None is as in the settings, or for lengths as each action has it."""
    from localcoder.actions.perform import ActionOptions

    return ActionOptions(
        sampling=Sampling(temperature=settings.temperature if temperature is None else temperature, seed=seed),
        max_tokens=max_tokens,
        never_sent=tuple(settings.never_sent.split()),
    )


def make_gathering(settings: Settings, root: Path | None = None) -> Gathering:
    """What finds the pieces of other files that completions rest on. `root` where the settings name no repository."""
    # Not where it is not wanted yet: it imports the grammars and SQLite.
    from localcoder.completion.context.gathering import Gathering

    if settings.repository:
        root = Path(settings.repository).expanduser()
    return Gathering(settings.context, root)


def make_engine(
    model: str | Reference | None,
    settings: Settings,
    *,
    threads: int | None = None,
    loras: Sequence[Lora] = (),
    snapshots: bool = True,
    force: bool = False,
    ask: Ask | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Engine:
    """An engine for a model's name, path or reference; None is the one that the settings name, else the bundled one.

    A server that code was never sent to is asked about with `ask`; `say` is told in one line when it is away and back.
    Raises LocalcoderError for an unknown model, for a server that nobody allowed, and unless `force` for a model that
    this machine has no memory for.
    """
    reference = _refer(model, settings)
    if isinstance(reference, RemoteModel):
        allow_server(reference, settings, ask)

        def stand_in() -> Engine:
            return _local_engine(
                LocalModel(_file(settings.stand_in)),
                settings,
                threads=threads,
                loras=(),
                snapshots=snapshots,
                force=force,
            )

        return _remote_engine(reference, settings, stand_in, say)
    return _local_engine(reference, settings, threads=threads, loras=loras, snapshots=snapshots, force=force)


def allow_server(model: str | Reference | None, settings: Settings, ask: Ask | None) -> Settings:
    """Ask once, and keep the answer, whether code may be sent to the server that this model is on, if it is on one.

    Returns the settings as they are then. Raises LocalcoderError (exit code 2) where it may not.
    """
    named = model or settings.model
    if isinstance(named, str) and is_address(named):
        named = RemoteModel(named)
    if not isinstance(named, RemoteModel):
        return settings
    from localcoder.engine.remote.address import Address

    address, allowed = Address.parse(named.url), settings.allowed_hosts.split()
    if address.is_this_machine or address.host in allowed:
        return settings
    hosts = " ".join([*allowed, address.host])
    if ask is None or not ask(address.host):
        todo = f"Allow it: localcoder settings set allowed_hosts '{hosts}'"
        raise LocalcoderError(f"Code was never sent to {address.host}.", todo, exit_code=2)
    save({"allowed_hosts": hosts})
    return replace(settings, allowed_hosts=hosts)


def _refer(model: str | Reference | None, settings: Settings) -> Reference:
    named = model or settings.model or None
    return refer(named) if named is None or isinstance(named, str) else named


def _file(name: str) -> Path:
    """Of a model that has to be on this machine."""
    reference = refer(name)
    if isinstance(reference, RemoteModel):
        raise LocalcoderError(f"{name} cannot stand in: it is a server too.", "Check `stand_in`.", exit_code=2)
    return reference.path


def _remote_engine(
    reference: RemoteModel, settings: Settings, make_stand_in: Callable[[], Engine], say: Callable[[str], object]
) -> Engine:
    from localcoder.engine.remote.address import Address
    from localcoder.engine.remote.connection import Access
    from localcoder.engine.remote.engine import RemoteEngine
    from localcoder.engine.remote.stand_in import StandIn
    from localcoder.engine.remote.token import read_token

    address = Address.parse(reference.url)
    access = Access(
        address,
        token=read_token(settings.token_from, address.host),
        proxy="" if address.is_this_machine else settings.server_proxy or _proxy_of_the_environment(address),
        authority=Path(settings.server_ca).expanduser() if settings.server_ca else None,
        silence_s=settings.server_silence_s,
    )
    if settings.stand_in:
        return StandIn(RemoteEngine(access, [_file(settings.stand_in)], required=True), make_stand_in, say)
    # The bundled model's vocabulary is its own: any other is likelier.
    files = [model.path for model in sorted(installed(), key=lambda model: model.is_bundled)]
    return RemoteEngine(access, files)


def _proxy_of_the_environment(address: Address) -> str:
    """HTTP_PROXY and the like, or the system's setting; "" for hosts that NO_PROXY excepts."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return "" if proxy_bypass(address.host) else proxies.get(address.base.partition(":")[0], proxies.get("all", ""))


def _local_engine(
    reference: LocalModel,
    settings: Settings,
    *,
    threads: int | None,
    loras: Sequence[Lora],
    snapshots: bool,
    force: bool,
) -> Engine:
    from localcoder.engine.local import LocalEngine

    found = fit_file(reference)
    if found.verdict == "does not fit" and not force:
        raise does_not_fit(reference.path.name, found)
    return LocalEngine(
        reference.path,
        # More threads than cores only wait for one another: thousands stop the machine.
        n_threads=min(threads or settings.threads, os.cpu_count() or 1) or None,
        n_gpu_layers=found.gpu_layers,
        loras=loras or _loras(settings),
        snapshots_dir=snapshots_dir() if snapshots else None,
        parked_limit_bytes=found.parked_bytes,
        idle_s=settings.idle_minutes * 60 or None,
        power_saving=settings.power_saving,
    )


def usable(name: str, value: object) -> object:
    """A setting's value as it is kept, so that it means the same in every directory.

    Raises LocalcoderError for a model that is not here, and for an adapter that is none.
    """
    if name in ("model", "stand_in") and isinstance(value, str) and value:
        refer(value)
    if name == "adapter" and isinstance(value, str) and value:
        lora = Lora.parse(value)
        path = Path(lora.path).expanduser().absolute()
        _require_adapter(path)
        return str(path) if lora.scale == 1.0 else f"{path}:{lora.scale:g}"
    return value


def _require_adapter(path: Path) -> None:
    from localcoder.models.maintenance import header_of

    if not path.is_file():
        raise LocalcoderError(f"There is no adapter file {path}.", "Check the path.", exit_code=2)
    file = header_of(path).file
    if file is None or file.get("general.type") != "adapter":
        todo = "Convert it: `localcoder convert ADAPTER_DIR -o FILE.gguf`."
        raise LocalcoderError(f"{path} is no LoRA adapter in GGUF.", todo, exit_code=2)


def make_calibrator(model: Path, threads: int | None = None) -> LocalOnly:
    """An engine for calibration: on the CPU, where all inputs are in memory that can be read."""
    from localcoder.engine.local import LocalEngine

    return LocalEngine(model, n_threads=threads, n_gpu_layers=0)


def _loras(settings: Settings) -> list[Lora]:
    """The adapter that the settings name, if it is on."""
    return [Lora.parse(settings.adapter)] if settings.adapter and settings.adapter_on else []
