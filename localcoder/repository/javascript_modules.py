"""What a name means in JavaScript and TypeScript, by the files of the repository and of `node_modules`.

A package's declarations (`.d.ts`, of its own or from `@types`) are looked at before its code. Nothing is executed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from localcoder.code.imports import Import
from localcoder.code.outline import Definition
from localcoder.repository.modules import Found, best, outline_of

_SUFFIXES = (".ts", ".tsx", ".d.ts", ".mts", ".d.mts", ".cts", ".d.cts", ".js", ".jsx", ".mjs", ".cjs")
_COMPILED = {".js": (".ts", ".tsx", ".d.ts"), ".jsx": (".tsx",), ".mjs": (".mts", ".d.mts"), ".cjs": (".cts", ".d.cts")}
"""Source files that a name with the suffix of what they become may mean."""
_CONDITIONS = ("types", "typings", "import", "module", "node", "default", "require")
_CONFIGURATIONS = ("tsconfig.json", "jsconfig.json")
_DEEPEST = 12


class JavascriptModules:
    """For the files of one repository."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def imported(self, file: Path, each: Import) -> Found | None:
        return self._imported(file, each, 0)

    def member(self, found: Found, name: str) -> Found | None:
        return self._member(found, name, 0)

    def _imported(self, file: Path, each: Import, depth: int) -> Found | None:
        if depth > _DEEPEST:
            return None
        module = self._module(file, each.module)
        if module is None:
            return None
        if not each.name:
            return module
        found = self._member(module, each.name, depth + 1)
        if found is None and each.name in ("default", "="):
            # What one kind of module calls its default, the other calls what `require` returns.
            found = self._member(module, "=" if each.name == "default" else "default", depth + 1) or module
        return found

    def _module(self, file: Path, name: str) -> Found | None:
        for path in self._candidates(file, name):
            found = self._found(path)
            if found is not None:
                return found
        return self._declared(file, name)

    def _candidates(self, file: Path, name: str) -> Iterator[Path]:
        if name.startswith("."):
            yield from _files(Path(os.path.normpath(file.parent / name)))
            return
        for target in _mapped(self._folders(file), name):
            yield from _files(target)
        parts = name.split("/")
        package, inner = parts[: 1 + name.startswith("@")], parts[1 + name.startswith("@") :]
        typed = "@types/" + "__".join(package).removeprefix("@")
        for folder in self._folders(file):
            place = folder / "node_modules" / "/".join(package)
            types = folder / "node_modules" / typed
            if place.is_dir():
                files = [*_package_files(place, inner)]
                yield from (path for path in files if _is_declaration(path))
                if types.is_dir():
                    yield from _package_files(types, inner)
                yield from files
            elif types.is_dir():
                yield from _package_files(types, inner)

    def _folders(self, file: Path) -> list[Path]:
        """From the file's folder outwards; what is installed outside of the repository counts as for node."""
        return [folder for folder in file.parents if folder.name != "node_modules"]

    def _declared(self, file: Path, name: str) -> Found | None:
        """A module of node's own, which `@types/node` declares."""
        short = name.removeprefix("node:")
        for folder in self._folders(file):
            path = folder / "node_modules/@types/node" / f"{short}.d.ts"
            if path.is_file() and (found := self._found(path)) is not None:
                return Found(found.path, None, "standard library", found.name, found.library)
        return None

    def _found(self, path: Path) -> Found | None:
        if not path.is_file():
            return None
        parts = path.parts
        inside = len(parts) - 1 - parts[::-1].index("node_modules") if "node_modules" in parts else 0
        if not inside:
            is_own = path.is_relative_to(self._root)
            return Found(path, None, "repository", path.relative_to(self._root).as_posix() if is_own else path.name)
        # A package of the same repository is linked from there.
        real = Path(os.path.realpath(path))
        if "node_modules" not in real.parts and real.is_relative_to(self._root):
            return Found(real, None, "repository", real.relative_to(self._root).as_posix())
        names = parts[inside + 1 :]
        package = Path(*parts[: inside + 2 + names[0].startswith("@")])
        version = _package(package).get("version", "")
        label = f"{package.relative_to(Path(*parts[: inside + 1])).as_posix()} {version}".rstrip()
        return Found(path, None, "library", "/".join(names), label)

    def _member(self, found: Found, name: str, depth: int) -> Found | None:
        if depth > _DEEPEST:
            return None
        if found.definition is not None:
            return self._member_of(found, found.definition, name, depth)
        outline = outline_of(found.path)
        handed = [each for each in outline.imports if each.alias == name and each.is_export]
        own = [each for each in outline.definitions if each.name == name and not each.container]
        if not own and name == "default":
            own = [each for each in outline.definitions if re.match(r"export default\b", each.signature)]
        if not own:
            modules = {
                each.name for each in outline.definitions if each.kind == "module" and "declare" in each.signature
            }
            own = [each for each in outline.definitions if each.name == name and each.container in modules]
        exported = [each for each in own if each.signature.startswith(("export", "declare"))]
        if definition := best(exported or ([] if handed else own)):
            return Found(found.path, definition, found.origin, found.name, found.library)
        for each in handed:
            further = self._handed_on(found, each, depth)
            if further is not None:
                return further
        if definition := best(own):
            return Found(found.path, definition, found.origin, found.name, found.library)
        # `export = a`: what a is has the names.
        for each in outline.imports:
            if each.alias == "=" and each.is_export and name not in ("=", "default"):
                whole = self._handed_on(found, each, depth)
                further = None if whole is None or whole == found else self._member(whole, name, depth + 1)
                if further is not None:
                    return further
        for each in outline.imports:
            if each.name == "*" and each.is_export and name != "default":
                module = self._module(found.path, each.module)
                if module is not None and module.path != found.path:
                    further = self._member(module, name, depth + 1)
                    if further is not None:
                        return further
        return None

    def _handed_on(self, found: Found, each: Import, depth: int) -> Found | None:
        """What an export of another name, or from another module, means."""
        if each.module:
            return self._imported(found.path, each, depth + 1)
        outline = outline_of(found.path)
        declared = {own.name for own in outline.definitions if _is_module(own)}
        own = best(
            [
                own
                for own in outline.definitions
                if own.name == each.name and not _is_module(own) and (not own.container or own.container in declared)
            ]
        )
        if own is not None:
            return Found(found.path, own, found.origin, found.name, found.library)
        for other in outline.imports:
            if other.alias == each.name and other.module:
                return self._imported(found.path, other, depth + 1)
        return None

    def _member_of(self, found: Found, definition: Definition, name: str, depth: int) -> Found | None:
        """Of a class, an interface, a namespace or a constant of such a type; there may be several of one name."""
        if depth > _DEEPEST:
            return None
        definitions = outline_of(found.path).definitions
        place = definition.container, definition.name
        for each in [other for other in definitions if (other.container, other.name) == place]:
            own = best([other for other in definitions if (other.container, other.name) == (each.qualified_name, name)])
            if own is not None:
                return Found(found.path, own, found.origin, found.name, found.library)
            for parent in self._parents(found, each, depth):
                further = self._member(parent, name, depth + 1)
                if further is not None:
                    return further
        return None

    def _parents(self, found: Found, definition: Definition, depth: int) -> Iterator[Found]:
        """What a class extends, and what type a constant is of."""
        signature = re.sub(r"<[^<>]*>", "", definition.signature)
        if definition.kind == "constant":
            # `const path: path.PlatformPath;`
            type_ = re.search(r":\s*(?:[\w$]+\.)*([\w$]+)\s*;?$", signature)
            names = [type_[1]] if type_ else []
        else:
            extends = re.search(r"\bextends\s+([\w$.,\s]+)", signature)
            names = re.findall(r"[\w$]+", extends[1]) if extends else []
        for name in names:
            types = [each for each in outline_of(found.path).definitions if each.name == name and each.kind == "class"]
            own = [Found(found.path, each, found.origin, found.name, found.library) for each in types]
            place = Found(found.path, None, found.origin, found.name, found.library)
            other = None if own else self._handed_on(place, Import("", name, name, 0), depth + 1)
            yield from own if other is None or other.definition is None else (other,)


def _is_module(definition: Definition) -> bool:
    """`declare module "fs"`."""
    return definition.kind == "module" and re.match(r"""declare module ["']""", definition.signature) is not None


def _files(base: Path) -> Iterator[Path]:
    """What a path without a suffix, or with that of compiled code, may mean."""
    for compiled in _COMPILED.get(base.suffix, ()):
        yield base.with_suffix(compiled)
    if base.suffix:
        yield base
    yield from (base.with_name(base.name + suffix) for suffix in _SUFFIXES)
    yield from (base / f"index{suffix}" for suffix in _SUFFIXES)


def _package_files(place: Path, inner: Sequence[str]) -> Iterator[Path]:
    """What a package hands out by that name, its declarations first."""
    package = _package(place)
    exports = package.get("exports")
    if exports is not None:
        yield from (place / target for target in _exported(exports, "/".join((".", *inner))))
    if inner:
        yield from _files(place.joinpath(*inner))
        return
    for field in ("types", "typings"):
        if isinstance(package.get(field), str):
            yield from _files(place / package[field])
    main = package.get("main")
    base = place / (main if isinstance(main, str) else "index")
    if base.suffix in (".js", ".cjs", ".mjs"):
        yield base.with_suffix(".d.ts")
    yield from _files(base)
    yield from _files(place / "index")


def _exported(exports: Any, wanted: str) -> Iterator[str]:
    """Files that `exports` of a package.json names for `.` or `./inner`, the declarations first."""
    if isinstance(exports, Mapping) and any(str(key).startswith(".") for key in exports):
        for key, value in exports.items():
            before, star, after = str(key).partition("*")
            if key == wanted:
                yield from _conditional(value)
            elif star and wanted.startswith(before) and wanted.endswith(after):
                middle = wanted[len(before) : len(wanted) - len(after)]
                yield from (target.replace("*", middle) for target in _conditional(value))
    elif wanted == ".":
        yield from _conditional(exports)


def _conditional(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.endswith((".js", ".cjs", ".mjs")):
            yield re.sub(r"\.(c|m)?js$", r".d.\1ts", value)
        yield value
    elif isinstance(value, Mapping):
        for condition in _CONDITIONS:
            if condition in value:
                yield from _conditional(value[condition])
    elif isinstance(value, list):
        for each in value:
            yield from _conditional(each)


def _is_declaration(path: Path) -> bool:
    return path.name.endswith((".d.ts", ".d.mts", ".d.cts")) and path.is_file()


def _package(place: Path) -> Mapping[str, Any]:
    return _json(place / "package.json")


def _mapped(folders: Sequence[Path], name: str) -> Iterator[Path]:
    """Where the nearest tsconfig.json says that modules are."""
    for folder in folders:
        for configuration in _CONFIGURATIONS:
            options = _json(folder / configuration).get("compilerOptions")
            if not isinstance(options, Mapping):
                continue
            base = folder / str(options.get("baseUrl", "."))
            paths = options.get("paths")
            for pattern, targets in paths.items() if isinstance(paths, Mapping) else ():
                before, star, after = pattern.partition("*")
                if name == pattern or (star and name.startswith(before) and name.endswith(after)):
                    middle = name[len(before) : len(name) - len(after)] if star else ""
                    yield from (base / str(target).replace("*", middle) for target in targets)
            if "baseUrl" in options:
                yield base / name
            return


def _json(path: Path) -> Mapping[str, Any]:
    """An object, with comments and commas at the end as tsconfig.json has them; an empty one for anything else."""
    try:
        found = path.stat()
    except OSError:
        return {}
    return _json_of(path, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _json_of(path: Path, mtime_ns: int) -> Mapping[str, Any]:
    try:
        text = path.read_text("utf-8", "replace")
        # Strings are matched so that nothing in them is taken for a comment.
        text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or "", text, flags=re.DOTALL)
        found = json.loads(re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda match: match[1] or "", text))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
