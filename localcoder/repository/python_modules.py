"""What a name means in Python, by the files of the repository and of what is installed. Nothing is imported.

As the language does: modules are looked for in the repository, in the standard library, in what is installed; a name in
a module is what it defines, imports, takes from another with `*`, or a module below it. Stubs (`.pyi`) say more about
types than the modules beside them, and are looked at first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcoder.code.imports import Import
from localcoder.repository.environment import PythonEnvironment, distributions
from localcoder.repository.modules import Found, best, outline_of

_DEEPEST = 12
"""How often a name may be handed on."""
_OTHER_ROOTS = ("src", "lib", "python")


@dataclass(frozen=True)
class _Base:
    """A folder in which modules are looked for."""

    folder: Path
    origin: str


class PythonModules:
    """For the files of one repository."""

    def __init__(self, root: Path, environment: PythonEnvironment) -> None:
        self._root = root
        self._environment = environment

    def imported(self, file: Path, each: Import) -> Found | None:
        return self._imported(file, each, 0)

    def member(self, found: Found, name: str) -> Found | None:
        return self._member(found, name, 0)

    def given(self, file: Path, imports: Sequence[Import], name: str) -> Found | None:
        """What a file with these imports means by a name that it takes from another module with `*`."""
        return self._by_stars(file, imports, name, 0)

    def _imported(self, file: Path, each: Import, depth: int) -> Found | None:
        if depth > _DEEPEST:
            return None
        if not each.name:
            # `import a.b` names `a`.
            is_first = each.alias == each.module.partition(".")[0]
            return self._module(file, each.alias if is_first else each.module)
        module = self._module(file, each.module)
        if module is None:
            return None
        return self._member(module, each.name, depth + 1)

    def _module(self, file: Path, name: str) -> Found | None:
        dots = len(name) - len(name.lstrip("."))
        parts = [part for part in name[dots:].split(".") if part]
        if dots:
            folder = file.parent
            for _ in range(dots - 1):
                folder = folder.parent
            origin = self._origin_of(file)
            path = _file_of(folder.joinpath(*parts)) if parts else _package_of(folder)
            return None if path is None else self._found(path, origin)
        for base in self._bases(file):
            path = _file_of(base.folder.joinpath(*parts))
            if path is not None:
                return self._found(path, base.origin)
        return None

    def _bases(self, file: Path) -> Iterator[_Base]:
        yield from (_Base(folder, self._origin_of(file)) for folder in self._own_bases(file))
        if self._origin_of(file) != "repository":
            yield from (_Base(folder, "repository") for folder in (self._root,))
        yield from (_Base(folder, "standard library") for folder in self._environment.standard_library)
        yield from (_Base(folder, "library") for folder in self._environment.libraries)
        yield from (_Base(folder, "standard library") for folder in self._environment.stubs)

    def _own_bases(self, file: Path) -> Iterator[Path]:
        """The folder around the package that the file is in, and those around it in the repository."""
        if self._origin_of(file) != "repository":
            return
        for folder in file.parents:
            if not (folder / "__init__.py").is_file():
                yield folder
            if folder == self._root:
                break
        yield from (self._root / name for name in _OTHER_ROOTS)

    def _origin_of(self, file: Path) -> str:
        for folder in self._environment.libraries:
            if file.is_relative_to(folder) and not (folder == self._root or self._root.is_relative_to(folder)):
                return "library"
        if any(file.is_relative_to(folder) for folder in self._environment.standard_library):
            return "standard library"
        return "repository"

    def _found(self, path: Path, origin: str) -> Found:
        environment = self._environment
        for folder in (self._root, *environment.stubs, *environment.libraries, *environment.standard_library):
            is_own = origin == "repository"
            if path.is_relative_to(folder) and is_own == (folder == self._root):
                name = path.relative_to(folder).as_posix()
                top = re.match(r"\w+", name)
                library = distributions(folder).get(top[0], "") if top and origin == "library" else ""
                return Found(path, None, origin, name, library)
        return Found(path, None, origin, path.name)

    def _member(self, found: Found, name: str, depth: int) -> Found | None:
        if depth > _DEEPEST:
            return None
        if found.definition is not None:
            return self._member_of_class(found, name, depth)
        for path in _with_stub(found.path):
            if (further := self._in_file(_at(found, path), name, depth)) is not None:
                return further
        below = _file_of(found.path.parent / name) if found.path.stem == "__init__" else None
        below = _file_of(found.path / name) if found.path.is_dir() else below
        if below is not None:
            return self._found(below, found.origin)
        for stub in self._stubs_of(found):
            if (further := self._in_file(stub, name, depth)) is not None:
                return further
        return None

    def _stubs_of(self, found: Found) -> Iterator[Found]:
        """Of a module of the standard library that takes names from one that is written in C."""
        if found.origin != "standard library":
            return
        base = Path(found.name).parent if Path(found.name).stem == "__init__" else Path(found.name).with_suffix("")
        for folder in self._environment.stubs:
            path = _file_of(folder / base)
            if path is not None and path != found.path and path.is_file():
                yield self._found(path, found.origin)

    def _in_file(self, module: Found, name: str, depth: int) -> Found | None:
        outline = outline_of(module.path)
        own = best([each for each in outline.definitions if each.name == name and not each.container])
        handed = [each for each in outline.imports if each.alias == name and each.is_export and each.name != "*"]
        # `fast = None` stands in for what could not be imported.
        if own is not None and (own.kind != "constant" or not handed):
            return Found(module.path, own, module.origin, module.name, module.library)
        for each in handed:
            further = self._imported(module.path, each, depth + 1)
            if further is not None:
                return further
        if own is not None:
            return Found(module.path, own, module.origin, module.name, module.library)
        return self._by_stars(module.path, outline.imports, name, depth)

    def _by_stars(self, file: Path, imports: Sequence[Import], name: str, depth: int) -> Found | None:
        if depth > _DEEPEST or name.startswith("_"):
            return None
        for each in imports:
            module = self._module(file, each.module) if each.name == "*" else None
            if module is None or module.path == file:
                continue
            if (found := self._member(module, name, depth + 1)) is not None:
                return found
        return None

    def _member_of_class(self, found: Found, name: str, depth: int) -> Found | None:
        definition = found.definition
        if definition is None or definition.kind != "class":
            return None
        definitions = outline_of(found.path).definitions
        own = best([each for each in definitions if (each.container, each.name) == (definition.qualified_name, name)])
        if own is not None:
            return Found(found.path, own, found.origin, found.name, found.library)
        for base in _bases_of(definition.signature):
            first, *rest = base.split(".")
            parent = self._in_file(Found(found.path, None, found.origin, found.name, found.library), first, depth + 1)
            for part in rest:
                parent = None if parent is None else self._member(parent, part, depth + 1)
            if parent is not None and parent != found:
                further = self._member(parent, name, depth + 1) if parent.definition is not None else None
                if further is not None:
                    return further
        return None


def _bases_of(signature: str) -> list[str]:
    """Of `class A(b.B[T], C, metaclass=M):` the names `b.B` and `C`."""
    match = re.search(r"^class \w+\s*(?:\[.*?\])?\((.*)\)\s*:", signature, re.MULTILINE)
    inner = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", match[1])) if match else ""
    return [part.strip() for part in inner.split(",") if re.fullmatch(r"[\w.]+", part.strip())]


def _file_of(base: Path) -> Path | None:
    """Where the module is: a file, the file of a package, or the folder of one that has none."""
    for path in (base.with_name(base.name + ".py"), base.with_name(base.name + ".pyi")):
        if path.is_file():
            return path
    if not base.is_dir():
        stubs = base.parent / f"{base.name}-stubs"
        return stubs / "__init__.pyi" if (stubs / "__init__.pyi").is_file() else None
    return _package_of(base)


def _package_of(folder: Path) -> Path | None:
    for path in (folder / "__init__.py", folder / "__init__.pyi"):
        if path.is_file():
            return path
    return folder if _has_modules(folder) else None


def _has_modules(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith((".py", ".pyi")) or entry.is_dir() for entry in entries)
    except OSError:
        return False


def _with_stub(path: Path) -> list[Path]:
    if not path.is_file():
        return []
    stub = path.with_suffix(".pyi")
    package = path.parent.parent / f"{path.parent.name}-stubs" / stub.name
    return [each for each in (stub, package) if each != path and each.is_file()] + [path]


def _at(found: Found, path: Path) -> Found:
    name = found.name if path == found.path else str(Path(found.name).with_suffix(path.suffix).as_posix())
    return Found(path, None, found.origin, name, found.library)
