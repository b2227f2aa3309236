"""The engine that a command or the app works with: which model, whether it fits, on what threads and devices."""

from __future__ import annotations

from collections.abc import Sequence

from localcoder.engine.api import Lora
from localcoder.engine.local import LocalEngine
from localcoder.models.fit import does_not_fit, fit_file
from localcoder.models.store import resolve
from localcoder.paths import snapshots_dir
from localcoder.settings import Settings


def make_engine(
    model: str | None,
    settings: Settings,
    *,
    threads: int | None = None,
    loras: Sequence[Lora] = (),
    snapshots: bool = True,
    force: bool = False,
) -> LocalEngine:
    """An engine for a model's name or path, None for the one that the settings name.

    Raises LocalcoderError for an unknown model, and unless `force` for one that this machine has no memory for.
    """
    path = resolve(model or settings.model or None)
    found = fit_file(path)
    if found.verdict == "does not fit" and not force:
        raise does_not_fit(path.name, found)
    return LocalEngine(
        path,
        n_threads=threads or settings.threads or None,
        n_gpu_layers=found.gpu_layers,
        loras=loras or settings_loras(settings),
        snapshots_dir=snapshots_dir() if snapshots else None,
        idle_s=settings.idle_minutes * 60 or None,
        power_saving=settings.power_saving,
    )


def settings_loras(settings: Settings) -> list[Lora]:
    """The adapter that the settings name, if it is on."""
    return [Lora.parse(settings.adapter)] if settings.adapter and settings.adapter_on else []
