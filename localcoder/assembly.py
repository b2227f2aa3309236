"""The one place where parts are put together: settings become Options, and a model's name becomes an Engine.

Each value comes from the command line or the request if it is given there, else from the environment or the settings
file, else it is the setting's default; `localcoder.settings` has the last three in one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from localcoder.completion.complete import Options
from localcoder.completion.ending import Mode
from localcoder.completion.layout import LayoutName
from localcoder.engine.api import Engine, LocalOnly, Lora, Sampling
from localcoder.errors import LocalcoderError
from localcoder.models.memory_fit import does_not_fit, fit_file
from localcoder.models.references import Reference, RemoteModel
from localcoder.models.store import refer
from localcoder.paths import snapshots_dir
from localcoder.settings import Settings


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
) -> Options:
    """How completions are to be made; what is None is as in the settings, or in `Options` for what has no setting.

    `first_token_s` None has the whole prompt read first: a command that prints one completion waits for the best.
    """
    return Options(
        layout=layout,
        mode=mode or settings.mode,
        max_tokens=settings.max_tokens if max_tokens is None else max_tokens,
        sampling=Sampling(temperature=settings.temperature if temperature is None else temperature, seed=seed),
        first_token_s=first_token_s,
        logprobs=logprobs,
    )


def make_engine(
    model: str | Reference | None,
    settings: Settings,
    *,
    threads: int | None = None,
    loras: Sequence[Lora] = (),
    snapshots: bool = True,
    force: bool = False,
) -> Engine:
    """An engine for a model's name, path or reference; None is the one that the settings name, else the bundled one.

    Raises LocalcoderError for an unknown model, and unless `force` for one that this machine has no memory for.
    """
    from localcoder.engine.local import LocalEngine

    named = model or settings.model or None
    reference = refer(named) if named is None or isinstance(named, str) else named
    if isinstance(reference, RemoteModel):
        raise LocalcoderError(f"{reference.url}: models on a server cannot be used yet.", "Name a file.", exit_code=2)
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


def make_calibrator(model: Path, threads: int | None = None) -> LocalOnly:
    """An engine for calibration: on the CPU, where all inputs are in memory that can be read."""
    from localcoder.engine.local import LocalEngine

    return LocalEngine(model, n_threads=threads, n_gpu_layers=0)


def _loras(settings: Settings) -> list[Lora]:
    """The adapter that the settings name, if it is on."""
    return [Lora.parse(settings.adapter)] if settings.adapter and settings.adapter_on else []
