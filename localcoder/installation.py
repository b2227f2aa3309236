"""How this installation was made, and the commands that change it: what a hint names has to be what is meant.

The distribution has another name than the package and the command: on PyPI, `localcoder` is a stranger's.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

DISTRIBUTION = "localcoder-starcoder2"
"""As in pyproject.toml."""
EXTRAS = {"serve": ("starlette>=0.40", "uvicorn>=0.30"), "keyring": ("keyring>=24",)}
"""What belongs to a part that is left out by default; as in pyproject.toml."""


def is_pipx(prefix: Path | None = None) -> bool:
    """Whether pipx made this environment: pip is reached through it, and packages are put beside localcoder by it."""
    return ((prefix or Path(sys.prefix)) / "pipx_metadata.json").is_file()


def pip_install() -> str:
    """What stands before options and requirements, to install into this very environment."""
    if is_pipx():
        return f"pipx runpip {DISTRIBUTION} install"
    # Of an activated environment everybody's `python` is this one.
    python = "python" if shutil.which("python") == sys.executable else shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python}"
    return f"{python} -m pip install"


def add(extra: str) -> str:
    """The command that adds a part which is not installed: a key of `EXTRAS`."""
    return _with_quoted(f"pipx inject {DISTRIBUTION}" if is_pipx() else pip_install(), EXTRAS[extra])


def again() -> str:
    """The command that installs localcoder and what it needs once more."""
    if is_pipx():
        return f"pipx reinstall {DISTRIBUTION}"
    return f"in the folder that localcoder was installed from: {pip_install()} --force-reinstall ."


def _with_quoted(command: str, requirements: Iterable[str]) -> str:
    return " ".join([command, *map(shlex.quote, requirements)])
