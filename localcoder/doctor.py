"""Is everything here that localcoder needs: each check says what it found, and the command that fixes it."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from localcoder import __version__, hardware, installation, paths, settings
from localcoder.errors import LocalcoderError

State = Literal["ok", "note", "broken"]

_PACKAGES = ("llama-cpp-python", "huggingface-hub", "textual", "gguf", "numpy", "tree-sitter", "starlette", "uvicorn")
_EXTRAS = frozenset({"starlette", "uvicorn"})
_GPU_FIXES = {
    "cuda": f"{installation.pip_install()} --force-reinstall --no-deps --no-cache-dir {hardware.REQUIREMENT} "
    "--extra-index-url https://abetlen.github.io/llama-cpp-python/whl/cu124"
    f' (or, with the CUDA toolkit: CMAKE_ARGS="-DGGML_CUDA=on" {hardware.BUILD})',
    "hip": f'CMAKE_ARGS="-DGGML_HIP=on" {hardware.BUILD}',
    "vulkan": f'CMAKE_ARGS="-DGGML_VULKAN=on" {hardware.BUILD}',
    "metal": f'CMAKE_ARGS="-DGGML_METAL=on" {hardware.BUILD}',
}
"""What puts a GPU backend into llama-cpp-python."""
_PCI_VENDORS = {"0x10de": ("NVIDIA", "cuda"), "0x1002": ("AMD", "hip"), "0x8086": ("Intel", "vulkan")}
_LOW_DISK_BYTES = 5_000_000_000
"""A 7B in the usual type."""
_NATIVE_TIMEOUT_S = 60
"""Chosen: loading the libraries from a cold disk takes some seconds."""


@dataclass(frozen=True)
class Check:
    """One line of the report. `todo` is a command or a sentence, empty when there is nothing to do."""

    name: str
    state: State
    what: str
    todo: str = ""


def examine() -> Iterator[Check]:
    """All checks, in order. What llama.cpp was built for is compared with the processor before it is loaded."""
    for name, look in _CHECKS.items():
        try:
            for check in look():
                yield anonymous(replace(check, name=name))
        except Exception as error:
            # A check that fails is a finding: the report has to come out in any case.
            yield anonymous(Check(name, "broken", f"{type(error).__name__}: {error}", "Please report this."))


def _versions() -> Iterator[Check]:
    python = f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
    yield Check("", "ok", f"localcoder {__version__}, {python}")
    found, missing = [], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    yield Check("", "ok", ", ".join(found))
    if needed := [package for package in missing if package not in _EXTRAS]:
        yield Check("", "broken", f"{', '.join(needed)} not installed", installation.again())
    elif missing:
        yield Check("", "note", "the HTTP endpoint is not installed", installation.add("serve"))


def _processor() -> Iterator[Check]:
    threads = hardware.default_threads()
    if missing := hardware.cpu_features_missing():
        what = f"llama.cpp was built for {', '.join(missing)}, which this processor lacks"
        yield Check("", "broken", what, hardware.REBUILD)
        return
    yield Check("", "ok", f"{hardware.processor_name()}, {threads} threads; llama.cpp was built for what it has")
    if unused := hardware.cpu_features_unused():
        what = f"llama.cpp was built without {', '.join(unused)}: slower than it could be"
        yield Check("", "note", what, hardware.REBUILD)


def _native() -> Iterator[Check]:
    """Whether llama.cpp loads, in a process that may crash."""
    code = "import llama_cpp; print(llama_cpp.llama_print_system_info().decode())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=_NATIVE_TIMEOUT_S)
    if done.returncode == 0:
        yield Check("", "ok", f"loads: {done.stdout.strip().rstrip(' |')}")
        return
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    yield Check("", "broken", f"llama-cpp-python does not load (exit {done.returncode}): {last}", hardware.REBUILD)


def _compiler() -> Iterator[Check]:
    names = [name for name in ("c++", "g++", "clang++", "cl") if shutil.which(name)]
    if names:
        yield Check("", "ok", f"{names[0]} is there, to rebuild llama.cpp")
    else:
        todo = "xcode-select --install" if sys.platform == "darwin" else "sudo apt install g++ (or your system's)"
        yield Check("", "note", "no C++ compiler: llama.cpp cannot be rebuilt here", todo)


def _gpu() -> Iterator[Check]:
    built = hardware.gpu_backends()
    for device in hardware.gpus():
        memory = f"{device.free_bytes / 1e9:.1f} of {device.total_bytes / 1e9:.1f} GB free"
        yield Check("", "ok", f"{device.name}: {memory} ({', '.join(built)})")
    present = gpus_present()
    for name, backend in present:
        if backend not in built and "vulkan" not in built:
            what = f"{name} GPU present, but llama.cpp was built without {backend}"
            yield Check("", "note", what, _GPU_FIXES[backend])
    if built and not hardware.gpus():
        what = f"llama.cpp was built with {', '.join(built)} and finds no such GPU"
        yield Check("", "note", what, "Check the driver; until then the processor computes.")
    elif not present and not built:
        yield Check("", "ok", "none: the processor computes")


def gpus_present(root: Path = Path("/")) -> list[tuple[str, str]]:
    """(vendor, backend) of the GPUs that the system knows of, whether or not llama.cpp can use them."""
    if sys.platform == "darwin":
        return [("Apple", "metal")] if platform.machine() == "arm64" else []
    found = []
    if (root / "proc/driver/nvidia/version").exists():
        found.append(_PCI_VENDORS["0x10de"])
    for file in sorted(root.glob("sys/class/drm/card[0-9]*/device/vendor")):
        try:
            vendor = _PCI_VENDORS.get(file.read_text().strip())
        except OSError:
            continue
        if vendor and vendor not in found:
            found.append(vendor)
    return found


def _memory() -> Iterator[Check]:
    from localcoder.models.memory_fit import advise, available_bytes, gigabytes

    free, advice = available_bytes(), advise()
    if advice.entry is None:
        yield Check("", "note", advice.reason, "Close other programs.")
    else:
        yield Check("", "ok", f"{gigabytes(free)} free; {advice.entry.name}: {advice.reason}")


def _disk() -> Iterator[Check]:
    for name, folder in (("models", paths.models_dir()), ("cache", paths.cache_dir()), ("state", paths.state_dir())):
        present = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
        if present is None or not _is_writable(present):
            yield Check("", "broken", f"{name}: {folder} cannot be written", "Check its permissions, and the disk.")
            continue
        free = shutil.disk_usage(present).free
        what = f"{name}: {folder}, {free / 1e9:.0f} GB free"
        if name == "models" and free < _LOW_DISK_BYTES:
            yield Check("", "note", what, "Free some space before you pull a model: localcoder models prune")
        else:
            yield Check("", "ok", what)


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _terminal() -> Iterator[Check]:
    term, colours = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    if not sys.stdout.isatty():
        yield Check("", "ok", "not a terminal: the app needs one, `complete` and `serve` do not")
    elif term in ("", "dumb"):
        what = f"TERM={term or 'unset'}: the app needs a terminal that moves its cursor"
        yield Check("", "note", what, "export TERM=xterm-256color, if it is one")
    else:
        depth = "24-bit" if colours in ("truecolor", "24bit") else "256" if "256" in term else "16"
        size = shutil.get_terminal_size()
        yield Check("", "ok", f"{term}, {depth} colours, {size.columns} x {size.lines}")
    if os.environ.get("NO_COLOR"):
        yield Check("", "note", "NO_COLOR is set: suggestions are told apart by dimming alone", "unset NO_COLOR")
    if os.environ.get("TMUX"):
        what = "in tmux: the clipboard needs `set-clipboard on`, Ctrl+arrows need `xterm-keys on` (default since 2.4)"
        yield Check("", "ok", what)
    yield _clipboard()


def _clipboard() -> Check:
    programs = {"darwin": ("pbcopy",), "win32": ("clip",)}.get(sys.platform, ("wl-copy", "xclip", "xsel"))
    found = next((program for program in programs if shutil.which(program)), None)
    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if found and has_display:
        return Check("", "ok", f"clipboard by {found}")
    return Check("", "ok", "clipboard by the terminal (OSC 52) and a file")


def _models() -> Iterator[Check]:
    from localcoder.models import maintenance, store
    from localcoder.models.memory_fit import fit_file
    from localcoder.models.references import LocalModel

    for model in store.installed():
        again = f"localcoder models rm {model.name}, and get it again"
        try:
            problems = maintenance.header_of(model.path).problems
        except Exception as error:
            yield Check("", "broken", f"{model.name}: {error}", again)
            continue
        if fatal := [problem.what for problem in problems if not problem.repairable]:
            yield Check("", "broken", f"{model.name}: {fatal[0]}", again)
        elif problems:
            todo = f"localcoder repair {model.path} NEW.gguf"
            yield Check("", "note", f"{model.name}: {problems[0].what}", todo)
        else:
            found = fit_file(LocalModel(model.path))
            yield Check("", "ok", f"{model.name}: sound; {found.verdict}, {found.reason}")
    if useless := maintenance.leftovers():
        size = sum(leftover.size_bytes for leftover in useless)
        yield Check("", "note", f"{len(useless)} unused files, {size / 1e9:.1f} GB", "localcoder models prune")


def _settings() -> Iterator[Check]:
    try:
        effective = settings.load_with_sources()
    except LocalcoderError as error:
        yield Check("", "broken", error.what, error.todo)
        return
    changed = [f"{name} ({source})" for name, source in effective.sources.items() if source != "default"]
    yield Check("", "ok", f"set: {', '.join(changed)}" if changed else "all at their defaults")


_CHECKS: dict[str, Callable[[], Iterator[Check]]] = {
    "versions": _versions,
    "processor": _processor,
    "llama.cpp": _native,
    "compiler": _compiler,
    "gpu": _gpu,
    "memory": _memory,
    "disk": _disk,
    "terminal": _terminal,
    "models": _models,
    "settings": _settings,
}


def anonymous(check: Check) -> Check:
    """A finding without names, as `without_names` says."""
    return replace(check, what=without_names(check.what), todo=without_names(check.todo))


def without_names(text: str) -> str:
    """Text without the user's and the machine's name, and without paths into the home directory or temporary ones."""
    for folder, shown in ((Path.home(), "~"), (Path(sys.prefix), "PREFIX")):
        if len(folder.parts) > 1:
            text = text.replace(str(folder), shown)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    for name, shown in ((user, "USER"), (socket.gethostname(), "HOST")):
        if len(name) > 2:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", shown, text)
    return re.sub(r"/(?:tmp|home|Users|root)/[^\s:,;']+", "PATH", text)
