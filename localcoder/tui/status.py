"""What the status line says: data in, one line of text out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from localcoder.engine.api import ModelInfo, ReadProgress, Stats

Phase = Literal["idle", "loading", "reading", "writing", "done", "failed"]

_BAR_CELLS = 10
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Status:
    """What the engine is doing for this buffer."""

    phase: Phase = "idle"
    progress: ReadProgress | None = None
    stats: Stats | None = None
    reason: str = ""
    notice: str = ""
    """What is to be distrusted in what was made."""

    def reading(self, progress: ReadProgress) -> Status:
        return replace(self, phase="reading", progress=progress)


def describe(status: Status) -> str:
    """One line of at most about 60 cells."""
    match status.phase:
        case "loading":
            return "loading the model…"
        case "reading" if status.progress:
            return _reading(status.progress)
        case "reading":
            return "reading…"
        case "writing":
            return "writing…"
        case "failed":
            return status.reason
        case "done" if status.stats:
            return _done(status.stats, status.reason, status.notice)
    return ""


def remaining_s(progress: ReadProgress) -> float | None:
    """Seconds until the prompt is read, from the speed so far; None when it is too early to tell."""
    read = progress.done - progress.reused
    if read <= 0 or progress.elapsed_s <= 0:
        return None
    return (progress.total - progress.done) * progress.elapsed_s / read


def model_label(info: ModelInfo | None, wanted: str | None) -> str:
    if info is None:
        return wanted or ""
    return info.name if info.type_name in info.name else f"{info.name} {info.type_name}".strip()


def bar(fraction: float, cells: int = _BAR_CELLS) -> str:
    eighths = round(max(0.0, min(1.0, fraction)) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells, "·")


def _reading(progress: ReadProgress) -> str:
    left = remaining_s(progress)
    fraction = progress.done / progress.total if progress.total else 1.0
    text = f"reading {bar(fraction)} {progress.done}/{progress.total}"
    return text + (f" · {_seconds(left)} left" if left is not None and left >= 0.5 else "")


def _done(stats: Stats, reason: str, notice: str) -> str:
    if not stats.tokens_generated:
        return reason or "nothing to add here"
    parts = [f"{stats.tokens_per_s:.0f} tok/s", notice, f"first {_seconds(stats.first_token_s)}"]
    if stats.tokens_reused:
        parts.append(f"reused {stats.tokens_reused} of {stats.tokens_read + stats.tokens_reused}")
    return " · ".join(filter(None, (reason, *parts)))


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
