"""How fast models were on this machine: tokens per second by file name, kept between runs."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from localcoder.paths import state_dir

_FILE = "speeds.json"


def measured() -> dict[str, float]:
    """Tokens per second of the models that ran here; empty when nothing is known or the file is broken."""
    with suppress(OSError, ValueError):
        known = json.loads((state_dir() / _FILE).read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return {str(name): float(speed) for name, speed in known.items() if isinstance(speed, (int, float))}
    return {}


def remember(model: Path, tokens_per_s: float) -> None:
    """Keep a measurement; a disk that does not take it is no reason to stop."""
    known = measured() | {model.name: round(tokens_per_s, 2)}
    with suppress(OSError):
        state_dir().mkdir(parents=True, exist_ok=True)
        (state_dir() / _FILE).write_text(json.dumps(known, indent=1), encoding="utf-8")
