"""The files of code in a folder: which ones are somebody's own, and what they say."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from localcoder.code.ignored import ignored_below, is_ignored_file
from localcoder.code.languages import LANGUAGES
from localcoder.errors import LocalcoderError

_WITHOUT_A_LANGUAGE = (".scala", ".pl", ".jl", ".hs", ".ml", ".ex", ".erl", ".dart", ".vue", ".rst")
"""Code that StarCoder2 was trained on, in languages that the editor does not know."""

SUFFIXES = frozenset(suffix.lower() for language in LANGUAGES for suffix in language.suffixes) | {*_WITHOUT_A_LANGUAGE}
"""What a folder is searched for; files that are named are taken whatever they are called."""

MAX_FILE_BYTES = 1 << 20
"""What is larger was not written by hand."""

VERSION_CONTROL = (".git", ".hg", ".jj", ".svn")
"""Folders with what a version control system keeps for itself."""
NOT_ONES_OWN = frozenset(
    ("node_modules", "bower_components", "__pycache__", "venv", "site-packages", "vendor", "third_party", "Pods")
)
"""Folders that hold what others wrote, or what was made of it."""
_ENVIRONMENT = "pyvenv.cfg"
"""Stands in the top of a Python environment, whatever that is called."""


@dataclass(frozen=True)
class SourceFile:
    """One file of code; `name` is its path as a repository prompt shows it."""

    name: str
    text: str


def code_files(folder: Path) -> list[Path]:
    """The files of code below a folder, sorted: none in hidden or linked folders, none that others installed there,
    none that git ignores (`localcoder.code.ignored` says how that is known).

    What cannot be read, or goes while it is looked at, is left out.
    """
    found = (folder / name for name in _walk(folder, _is_own_folder, is_code_name))
    return sorted(filter(_is_small_file, found), key=lambda path: path.parts)


def files_below(folder: Path) -> Iterator[str]:
    """The names of the files below a folder as they are found, with `/` between their parts: of hidden ones too, but of
    none in linked folders, none that others installed there, none that git ignores.

    Those of a folder come before what is further down. What cannot be listed is left out.
    """
    return _walk(folder, lambda name: name not in VERSION_CONTROL and name not in NOT_ONES_OWN, lambda name: True)


def is_code_file(folder: Path, path: Path) -> bool:
    """Whether `code_files(folder)` has this file, without a look at the others."""
    name = path.relative_to(folder)
    folders = [folder / parent for parent in name.parents][:-1]
    if not is_code_name(name.name) or not all(_is_own_folder(each.name) for each in folders):
        return False
    if any(each.is_symlink() or (each / _ENVIRONMENT).exists() for each in folders):
        return False
    return _is_small_file(path) and not is_ignored_file(folder, name.as_posix())


def read_code(path: Path) -> str:
    """The file's text, "" for a binary one. Raises OSError."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode("utf-8", "replace")


def find_sources(paths: Iterable[Path]) -> list[SourceFile]:
    """The code below the folders and in the files that are named, each once, empty files left out.

    Raises LocalcoderError (exit code 2) for a named file that cannot be read, and if there is no code at all.
    """
    found: dict[Path, SourceFile] = {}
    for named in paths:
        for path, source in _sources(named):
            if source.text.strip():
                found[path.resolve()] = source
    if not found:
        raise LocalcoderError("There is no code in what was named.", "Name files, or a folder of code.", exit_code=2)
    return list(found.values())


def _sources(named: Path) -> Iterator[tuple[Path, SourceFile]]:
    try:
        if not named.is_dir():
            yield named, SourceFile(named.name, read_code(named))
            return
    except OSError as error:
        what = f"{named}: {error.strerror or error}."
        raise LocalcoderError(what, "Name files, or a folder of code.", exit_code=2) from None
    for path in code_files(named):
        with suppress(OSError):
            yield path, SourceFile(path.relative_to(named).as_posix(), read_code(path))


def _walk(folder: Path, is_own_folder: Callable[[str], bool], is_wanted: Callable[[str], bool]) -> Iterator[str]:
    is_ignored = ignored_below(folder)
    # os.walk passes over folders that it cannot list, and does not go into links.
    for parent, folders, names in os.walk(folder):
        if _ENVIRONMENT in names and Path(parent) != folder:
            folders.clear()
            continue
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        folders[:] = [name for name in folders if is_own_folder(name) and not is_ignored(f"{prefix}{name}/")]
        for name in names:
            if is_wanted(name) and not is_ignored(prefix + name):
                yield prefix + name


def _is_own_folder(name: str) -> bool:
    return not name.startswith(".") and name not in NOT_ONES_OWN


def is_code_name(name: str) -> bool:
    """Whether a file of that name is looked for in a folder of code."""
    return not name.startswith(".") and PurePath(name).suffix.lower() in SUFFIXES


def _is_small_file(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= MAX_FILE_BYTES
