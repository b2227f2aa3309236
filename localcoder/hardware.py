"""What this machine has: cores for llama.cpp's threads, and the environment that its threads behave well in."""

from __future__ import annotations

import os

import psutil


def default_threads() -> int:
    """Physical cores that this process may use; hyper-threads share the units that llama.cpp keeps busy."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def worker_environment() -> dict[str, str]:
    """Variables that llama.cpp's libraries read when they are loaded, so they must be set before.

    GGML_NO_BACKTRACE keeps an assertion from starting a debugger. GOMP_SPINCOUNT bounds how long an OpenMP thread
    spins at a barrier: the default steals the time of whatever else runs, and loses most of its own.
    """
    variables = {"GGML_NO_BACKTRACE": "1"}
    if "GOMP_SPINCOUNT" not in os.environ and "OMP_WAIT_POLICY" not in os.environ:
        variables["GOMP_SPINCOUNT"] = "1000"
    return variables
