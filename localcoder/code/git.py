"""What git knows of a folder, from git itself where it is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TIMEOUT_S = 60
_OTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""Set while a hook of git runs: they would point it to the hook's repository instead of the folder's."""


def git(folder: Path, *arguments: str) -> str | None:
    """What git says of the folder; None where it is not installed, or this is none of its repositories.

    A repository's settings may name a program that watches its files; that one is not started.
    """
    command = ["git", "-C", str(folder), "-c", "core.quotePath=off", "-c", "core.fsmonitor=false", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def bytes_at_head(path: Path) -> bytes | None:
    """What the last commit has of a file, with the line ends and so on that a checkout gives it; None where git knows
    of none."""
    said = git(path.absolute().parent, "cat-file", "--filters", f"HEAD:./{path.name}")
    return None if said is None else said.encode("utf-8", "surrogateescape")


def listed_by_git(folder: Path) -> frozenset[str] | None:
    """The files below the folder that git does not ignore; None where git does not know.

    A submodule is one name; repositories that are no submodules are left out.
    """
    listed = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return None if listed is None else frozenset(name for name in listed.split("\0") if name and name[-1] != "/")


def ignored_by_git(folder: Path) -> list[str]:
    """Folders and files below the folder that git ignores, each folder as a whole; none where git does not know."""
    listed = git(folder, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    return [name.rstrip("/") for name in (listed or "").split("\0") if name]


def is_ignored_by_git(folder: Path) -> bool:
    """Whether the folder as a whole is ignored by the repository that it stands in."""
    return git(folder, "check-ignore", "--quiet", ".") is not None
