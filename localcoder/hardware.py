"""What this machine has: cores for llama.cpp's threads, and the environment that its threads behave well in."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import psutil

from localcoder import installation

SHORTEST_LOOK_S = 0.5
LONGEST_LOOK_S = 2.0
"""Seconds of which the average says how busy others are: less is noise, more is the past. Chosen."""
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
REQUIREMENT = "'llama-cpp-python>=0.3.36,<0.4'"
"""As in pyproject.toml, quoted for a shell."""
_FRESH = "--force-reinstall --no-deps --no-cache-dir --no-binary llama-cpp-python"
BUILD = f"{installation.pip_install()} {_FRESH} {REQUIREMENT}"
"""Compiles llama-cpp-python anew, and leaves what it depends on alone."""
REBUILD = f"CMAKE_ARGS=-DGGML_NATIVE=ON {BUILD}"
"""What makes llama.cpp fit this processor."""


_GPU_BACKENDS = ("cuda", "hip", "metal", "vulkan", "sycl", "opencl", "musa", "cann")
_GPU_TIMEOUT_S = 20.0
"""Chosen: a driver's first start takes seconds; one that hangs is no GPU."""
_GPU_TYPES = {1: False, 2: True}
"""ggml's numbers of devices with memory of their own, and of those that share the main memory."""


@dataclass(frozen=True)
class Gpu:
    """A device that llama.cpp can put layers on. `is_shared`: its memory is the machine's own."""

    name: str
    free_bytes: int
    total_bytes: int
    is_shared: bool = False


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
    """Instructions that the installed llama.cpp was built with and this processor lacks; [] where that is unknown."""
    return [flag for flag, is_built, is_here in _features() if is_built and not is_here]


def cpu_features_unused() -> list[str]:
    """Instructions that this processor has and the installed llama.cpp was built without."""
    return [flag for flag, is_built, is_here in _features() if is_here and not is_built]


def processor_name() -> str:
    """As Linux has it, or as Python does."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    line = next((line for line in text.splitlines() if line.startswith("model name")), "")
    return line.partition(":")[2].strip() or platform.machine()


def _features() -> Iterator[tuple[str, bool, bool]]:
    """(flag, compiled in, in this processor), by ggml's own `ggml_cpu_has_*` and /proc/cpuinfo."""
    library, flags = _ggml_library("-cpu"), _cpu_flags()
    if library is None or not flags:
        return
    built = ctypes.CDLL(str(library))
    for name, flag in _FEATURES.items():
        has = getattr(built, f"ggml_cpu_has_{name}", None)
        if has is not None:
            yield flag, bool(has()), flag in flags


def gpu_backends() -> list[str]:
    """The GPU backends in the installed llama.cpp: "cuda", "metal", ..."""
    return [name for name in _GPU_BACKENDS if _ggml_library(f"-{name}")]


@cache
def gpus() -> tuple[Gpu, ...]:
    """GPUs that the installed llama.cpp can use; none where no GPU backend was built.

    Asked in a process of its own: a driver takes time and memory to start, and may crash.
    """
    if not gpu_backends():
        return ()
    code = "import sys; sys.path.insert(0, sys.argv[1]); from localcoder.hardware import print_gpus; print_gpus()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).resolve().parent.parent)],
            capture_output=True,
            timeout=_GPU_TIMEOUT_S,
            check=True,
        )
        return tuple(Gpu(**item) for item in json.loads(done.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError):
        return ()


def print_gpus() -> None:
    """The GPUs as a line of JSON; loads llama.cpp's libraries into this process."""
    print(json.dumps([asdict(gpu) for gpu, number in devices() if number in _GPU_TYPES]))


def devices() -> Iterator[tuple[Gpu, int]]:
    """All devices of the installed ggml, the processor too, each with its `enum ggml_backend_dev_type`."""
    path, base_path = _ggml_library(""), _ggml_library("-base")
    if path is None or base_path is None:
        return
    base, ggml = ctypes.CDLL(str(base_path)), ctypes.CDLL(str(path))
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_get.argtypes = (ctypes.c_size_t,)
    base.ggml_backend_dev_description.restype = ctypes.c_char_p
    base.ggml_backend_dev_description.argtypes = base.ggml_backend_dev_type.argtypes = (ctypes.c_void_p,)
    size_p = ctypes.POINTER(ctypes.c_size_t)
    base.ggml_backend_dev_memory.argtypes = (ctypes.c_void_p, size_p, size_p)
    for index in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        base.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        number = base.ggml_backend_dev_type(device)
        name = (base.ggml_backend_dev_description(device) or b"?").decode("utf-8", "replace")
        is_shared = _GPU_TYPES.get(number, True) or bool(_ggml_library("-metal"))
        yield Gpu(name, free.value, total.value, is_shared), number


def _ggml_library(part: str) -> Path | None:
    """libggml{part} of the installed llama-cpp-python, found without importing it."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "lib"
    patterns = (f"libggml{part}.so*", f"libggml{part}.dylib", f"ggml{part}.dll")
    return next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())
