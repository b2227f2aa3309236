"""Does a model fit this machine? Its weights, its KV cache and its buffers against memory that is free now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from localcoder.models.catalog import Size

Verdict = Literal["fits", "tight", "does not fit"]

CONTEXT_TOKENS = 4_608
"""StarCoder2's window, and a batch on top of it."""
_BUFFERS_BYTES = 160_000_000
"""Compute buffers, tokenizer and process, beside the weights: about this for all sizes."""
_KV_PER_WEIGHT_BYTE = 0.1
_COMFORTABLE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Fit:
    """`needs_bytes` while it runs, of `free_bytes`; `reason` is a sentence for people."""

    verdict: Verdict
    needs_bytes: int
    free_bytes: int
    reason: str


def fit(size_bytes: int, size: Size | None, free_bytes: int | None = None) -> Fit:
    """Whether a GGUF file of that many bytes can run here, on the CPU.

    `size` None: a model of none of the published sizes, whose cache is guessed from its weights.
    """
    free = available_bytes() if free_bytes is None else free_bytes
    cache = (
        size.kv_bytes_per_token * CONTEXT_TOKENS if size else min(int(size_bytes * _KV_PER_WEIGHT_BYTE), 200_000_000)
    )
    needs = size_bytes + cache + _BUFFERS_BYTES
    share = f"needs {gigabytes(needs)} of {gigabytes(free)} free"
    if needs <= free * _COMFORTABLE:
        return Fit("fits", needs, free, share)
    if needs <= free:
        return Fit("tight", needs, free, f"{share}; close other programs")
    return Fit("does not fit", needs, free, f"{share}; take a smaller size or type")


def available_bytes() -> int:
    """Memory that a new process can have: what the system has free, or the control group's limit if that is less."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, max(int(limit) - used, 0)) if limit.isdecimal() else free


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
