"""Where the libraries of a project are installed, by what its folders say. Nothing is executed or imported."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ENVIRONMENTS = (".venv", "venv", "env", ".env")
_CONFIGURATION = "pyvenv.cfg"
_STUBS = ("mypy/typeshed/stdlib", "jedi/third_party/typeshed/stdlib/3", "basedpyright/dist/typeshed-fallback/stdlib")


@dataclass(frozen=True)
class PythonEnvironment:
    """Folders in which modules are looked for, in their order; `why` says how they were found."""

    standard_library: tuple[Path, ...]
    libraries: tuple[Path, ...]
    why: str

    @property
    def stubs(self) -> tuple[Path, ...]:
        """Of the standard library, where a checker of types brought them: much of it is written in C."""
        places = (folder / tool for folder in self.libraries for tool in _STUBS)
        return tuple(place for place in places if place.is_dir())[:1]


def python_environment(file: Path, root: Path, variables: Mapping[str, str] = os.environ) -> PythonEnvironment:
    """The environment nearest to the file in its repository, else the active one, else the Python's on the path."""
    for folder in file.absolute().parents:
        for name in _ENVIRONMENTS:
            if (folder / name / _CONFIGURATION).is_file():
                return _from_environment(folder / name, f"{name} in {folder}")
        if folder == root:
            break
    if (active := variables.get("VIRTUAL_ENV")) and Path(active).is_dir():
        return _from_environment(Path(active), "VIRTUAL_ENV")
    python = shutil.which("python3") or shutil.which("python")
    if python is None:
        return PythonEnvironment((), (), "no Python")
    # In an environment the program is a link to one outside of it.
    if (Path(python).parent.parent / _CONFIGURATION).is_file():
        return _from_environment(Path(python).parent.parent, python)
    prefix = Path(os.path.realpath(python)).parent.parent
    if not _standard(prefix, ""):
        prefix = _chosen_by_pyenv(prefix, file, root) or prefix
    return PythonEnvironment(_standard(prefix, ""), _with_paths(_site_packages(prefix)), python)


def _chosen_by_pyenv(prefix: Path, file: Path, root: Path) -> Path | None:
    """pyenv's programs are scripts that choose a version by what stands in a file."""
    inside = [folder / ".python-version" for folder in file.absolute().parents if folder.is_relative_to(root)]
    for path in (*inside, prefix / "version"):
        with suppress(OSError):
            for name in path.read_text("utf-8", "replace").split():
                if (prefix / "versions" / name).is_dir():
                    return prefix / "versions" / name
    return None


def _from_environment(folder: Path, why: str) -> PythonEnvironment:
    configuration = _read_configuration(folder / _CONFIGURATION)
    version = ".".join((configuration.get("version") or configuration.get("version_info") or "").split(".")[:2])
    libraries = list(_site_packages(folder))
    standard: tuple[Path, ...] = ()
    if home := configuration.get("home"):
        prefix = Path(os.path.realpath(Path(home) / "python3")).parent.parent
        prefixes = [each for each in (Path(home).parent, prefix, Path(home)) if _standard(each, version)]
        standard = _standard(prefixes[0], version) if prefixes else ()
        if prefixes and configuration.get("include-system-site-packages", "").lower() == "true":
            libraries += _site_packages(prefixes[0])
    return PythonEnvironment(standard, _with_paths(libraries), why)


def _read_configuration(path: Path) -> dict[str, str]:
    with suppress(OSError):
        lines = path.read_text("utf-8", "replace").splitlines()
        return {name.strip().lower(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    return {}


def _standard(prefix: Path, version: str) -> tuple[Path, ...]:
    """The newest that is there, where the version is not known."""
    found = sorted(prefix.glob(f"lib/python{version or '3.*'}/os.py"), key=lambda path: _number(path.parent.name))
    found += [path for path in (prefix / "Lib/os.py",) if path.is_file()]
    return tuple(path.parent for path in found[-1:])


def _site_packages(prefix: Path) -> list[Path]:
    patterns = (
        "lib/python3*/site-packages",
        "lib/python3/dist-packages",
        "Lib/site-packages",
        "lib64/python3*/site-packages",
    )
    found = {os.path.realpath(path): path for pattern in patterns for path in sorted(prefix.glob(pattern))}
    return list(found.values())


def _number(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name)))


def _with_paths(folders: list[Path]) -> tuple[Path, ...]:
    """And the folders that `.pth` files in them name; lines of code there are not executed."""
    found = [*folders]
    for folder in folders:
        for path in sorted(folder.glob("*.pth")):
            with suppress(OSError):
                lines = path.read_text("utf-8", "replace").splitlines()
                named = (
                    folder / line.strip() for line in lines if line.strip() and not line.startswith(("#", "import"))
                )
                found += [each for each in named if each.is_dir()]
    return tuple(found)


@lru_cache(maxsize=64)
def distributions(folder: Path) -> Mapping[str, str]:
    """Name of a module → name and version of what it was installed with, as `numpy 2.1.0`."""
    found: dict[str, str] = {}
    for path in folder.glob("*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").partition("-")
        label = f"{name.replace('_', '-')} {version}"
        found.setdefault(name.lower(), label)
        for module in _top_level(path):
            found[module] = label
    return found


def _top_level(path: Path) -> Iterator[str]:
    with suppress(OSError):
        yield from (path / "top_level.txt").read_text("utf-8", "replace").split()
        return
    with suppress(OSError), (path / "RECORD").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            first, slash, _ = line.partition("/")
            if slash and first.isidentifier():
                yield first
            elif not slash and (match := re.match(r"(\w+)\.py,", line)):
                yield match[1]
