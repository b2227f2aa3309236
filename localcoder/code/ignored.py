"""Which files below a folder are left out by `.gitignore` and `.git/info/exclude`.

Git itself is asked where it is installed and knows the folder; elsewhere the files are read as gitignore(5) says.
A folder that the repository around it ignores was named by whoever asks: then only what stands in it counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from localcoder.code.git import git, is_ignored_by_git, listed_by_git

IsIgnored = Callable[[str], bool]
"""Of a name as it stands below the folder, with `/` between its parts; a folder's ends in `/`, and is asked about
before what is in it."""


def ignored_below(folder: Path) -> IsIgnored:
    """What is left out below the folder."""
    listed = listed_by_git(folder)
    if listed or (listed is not None and not is_ignored_by_git(folder)):
        return _Listed(folder, listed).is_ignored
    return _by_rules(folder, alone=listed is not None)


def is_ignored_file(folder: Path, name: str) -> bool:
    """Whether one file below the folder is left out, without a look at the others."""
    for end in reversed(_ends(name)):
        if _is_repository(folder / name[:end]):
            return is_ignored_file(folder, name[: end - 1]) or is_ignored_file(folder / name[:end], name[end:])
    listed = git(
        folder, "--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", name
    )
    if listed or (listed is not None and not is_ignored_by_git(folder)):
        # A repository that is no submodule ends in a slash.
        return listed != f"{name}\0"
    is_ignored = _by_rules(folder, alone=listed is not None)
    if (folder / name).is_dir():
        name += "/"
    return any(is_ignored(name[:end]) for end in sorted({*_ends(name), len(name)}))


class _Listed:
    """By the names that git lists, those of submodules included."""

    def __init__(self, folder: Path, listed: frozenset[str]) -> None:
        self._folder = folder
        self._names: set[str] = set()
        self._add("", listed)

    def is_ignored(self, name: str) -> bool:
        name = _composed(name)
        if name[-1] == "/" and name[:-1] in self._names and name not in self._names:
            # Git has one name for a folder as a whole: a submodule.
            self._add(name, listed_by_git(self._folder / name) or frozenset())
        return name not in self._names

    def _add(self, prefix: str, listed: frozenset[str]) -> None:
        for each in listed:
            name = prefix + _composed(each)
            self._names.add(name)
            slash = name.rfind("/")
            while slash > 0 and name[: slash + 1] not in self._names:
                self._names.add(name[: slash + 1])
                slash = name.rfind("/", 0, slash)


def _by_rules(folder: Path, *, alone: bool) -> IsIgnored:
    """`alone`: by what stands in the folder, and nothing above."""
    folder = folder.absolute()
    tops = [] if alone else [each for each in (folder, *folder.parents) if _is_repository(each)]
    rules = _Rules(folder, tops[0] if tops else folder)
    return _Rules(folder, folder).is_ignored if rules.is_folder_ignored else rules.is_ignored


def _is_repository(folder: Path) -> bool:
    try:
        return (folder / ".git").exists()
    except OSError:
        return False


def _composed(name: str) -> str:
    """macOS hands out accents as letters of their own; git's index has them composed."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class _Rules:
    """By the ignore files in the folder, below it, and above it up to `top`."""

    def __init__(self, folder: Path, top: Path) -> None:
        self._top = top
        self._is_repository = _is_repository(top)
        self._specs: dict[str, GitIgnoreSpec] = {}
        self._exclude = _read_spec(_git_folder(self._top) / "info/exclude")
        self._submodules = _submodules(self._top)
        self._prefix = "".join(f"{part}/" for part in folder.relative_to(self._top).parts)

    @property
    def is_folder_ignored(self) -> bool:
        return any(self._is_left_out(self._prefix[:end]) for end in _ends(self._prefix))

    def is_ignored(self, name: str) -> bool:
        return self._is_left_out(self._prefix + name)

    def _is_left_out(self, path: str) -> bool:
        may_be_foreign = path[-1] == "/" and self._is_repository and path[:-1] not in self._submodules
        if may_be_foreign and _is_repository(self._top / path):
            return True
        # The file nearest to the path decides, and in it the last line that says anything.
        for start in (*(end for end in reversed(_ends(path.rstrip("/")))), 0):
            said = _said(self._spec(path[:start]), path[start:])
            if said is not None:
                return said
        return bool(_said(self._exclude, path))

    def _spec(self, prefix: str) -> GitIgnoreSpec:
        if prefix not in self._specs:
            self._specs[prefix] = _read_spec(self._top / prefix / ".gitignore")
        return self._specs[prefix]


def _said(spec: GitIgnoreSpec, path: str) -> bool | None:
    """What the last line that matches says of the path itself; its folders were asked about before."""
    for pattern in reversed(list(spec.patterns)):
        found = pattern.match_file(path) if pattern.include is not None else None
        if found is None:
            continue
        # pathspec's expressions match what is below a folder, too: where they match its slash, that must be the last.
        slash = found.match.groupdict().get("ps_d") and found.match.start("ps_d")
        is_inside = found.match[0].endswith("/") and "ps_d" not in found.match.groupdict()
        if (slash is None or slash == len(path) - 1) and not (is_inside and found.match.end() == len(path)):
            return pattern.include
    return None


def _ends(path: str) -> list[int]:
    """Behind each slash."""
    return [match.end() for match in re.finditer("/", path)]


def _read_spec(path: Path) -> GitIgnoreSpec:
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        lines = []
    return GitIgnoreSpec.from_lines(list(_valid(lines)))


def _valid(lines: list[str]) -> Iterator[str]:
    """Git passes over a line that is no pattern."""
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        yield line


def _git_folder(top: Path) -> Path:
    """Where the repository's own files are: for a worktree and a submodule, `.git` is a file that says it."""
    place = top / ".git"
    try:
        if place.is_file() and (match := re.match(r"gitdir:\s*(.+)", place.read_text("utf-8", "surrogateescape"))):
            place = top / match[1].strip()
            common = place / "commondir"
            place = place / common.read_text("utf-8", "surrogateescape").strip() if common.is_file() else place
    except OSError:
        pass
    return place


def _submodules(top: Path) -> frozenset[str]:
    try:
        text = (top / ".gitmodules").read_text("utf-8", "surrogateescape")
    except OSError:
        return frozenset()
    return frozenset(re.findall(r"^\s*path\s*=\s*(.+?)/?\s*$", text, re.MULTILINE))
