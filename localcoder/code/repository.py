"""The repository that a file belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from localcoder.code.walk import VERSION_CONTROL

_BUILD_FILES = ("pyproject.toml", "setup.py", "package.json", "Cargo.toml", "go.mod", "pom.xml", "CMakeLists.txt")
"""What stands in the topmost folder of a project that is under no version control."""


@dataclass(frozen=True)
class Place:
    """Where a file stands: its repository's name, "" for a file in none, and its path from there."""

    repository: str
    path: PurePosixPath


@lru_cache(maxsize=256)
def place_of(path: Path) -> Place:
    """The file's place in the nearest repository around it, else its name alone. Looks at folders, not at the file."""
    root = root_of(path)
    if root is None:
        return Place("", PurePosixPath(path.name))
    return Place(root.name, PurePosixPath(path.absolute().relative_to(root).as_posix()))


def root_of(path: Path) -> Path | None:
    """The top folder of the nearest repository around a file; None where nothing says that there is one."""
    absolute = path.absolute()
    folders = [folder for folder in absolute.parents if folder != Path(folder.anchor) and folder != Path.home()]
    for markers in (VERSION_CONTROL, _BUILD_FILES):
        for folder in folders:
            if any((folder / marker).exists() for marker in markers):
                return folder
    return None
