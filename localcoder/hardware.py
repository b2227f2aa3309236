"""What this machine has: cores for llama.cpp's threads, and the environment that its threads behave well in."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import time
from pathlib import Path

import psutil

SHORTEST_LOOK_S = 0.5
LONGEST_LOOK_S = 2.0
_FEATURES = {
    "sse3": "pni",
    "ssse3": "ssse3",
    "avx": "avx",
    "avx_vnni": "avx_vnni",
    "avx2": "avx2",
    "f16c": "f16c",
    "fma": "fma",
    "bmi2": "bmi2",
    "avx512": "avx512f",
    "avx512_vbmi": "avx512vbmi",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
}
"""ggml's names of x86 instructions, and Linux's."""
REBUILD = "CMAKE_ARGS=-DGGML_NATIVE=ON pip install --force-reinstall --no-cache-dir --no-binary :all: llama-cpp-python"
"""What makes llama.cpp fit this processor."""


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
        variables["GOMP_SPINCOUNT"] = "20000"
    return variables


class OthersLoad:
    """How many cores other programs keep busy, averaged between two looks."""

    def __init__(self) -> None:
        self._last = self._now()

    def cores(self) -> float | None:
        """Cores that others used since the last look; None when that was too short ago to tell.

        What was long ago says nothing of now: then 0, until the next look.
        """
        if time.monotonic() - self._last[0] < SHORTEST_LOOK_S:
            return None
        now = self._now()
        elapsed, busy, own = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        return max(0.0, (busy - own) / elapsed) if elapsed < LONGEST_LOOK_S else 0.0

    def _now(self) -> tuple[float, float, float]:
        """Seconds: of the clock, of all cores' work, of this process's work."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # Guests' time is part of user time on Linux, and would count twice.
        everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        own = psutil.Process().cpu_times()
        return time.monotonic(), everything - idle, own.user + own.system


def cpu_features_missing() -> list[str]:
    """Instructions that the installed llama.cpp was built with and this processor lacks; [] where that is unknown.

    Asks ggml's own `ggml_cpu_has_*`, which answer what was compiled in, and /proc/cpuinfo.
    """
    library = _ggml_cpu_library()
    flags = _cpu_flags()
    if library is None or not flags:
        return []
    built = ctypes.CDLL(str(library))
    missing = []
    for name, flag in _FEATURES.items():
        has = getattr(built, f"ggml_cpu_has_{name}", None)
        if has is not None and has() and flag not in flags:
            missing.append(flag)
    return missing


def _ggml_cpu_library() -> Path | None:
    """libggml-cpu of the installed llama-cpp-python, found without importing it."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "lib"
    return next(iter(sorted(folder.glob("libggml-cpu.so*"))), None)


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())
