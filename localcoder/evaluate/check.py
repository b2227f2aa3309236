"""Tests and tools as judges: each suggestion is put into a copy of the repository, and a command is run there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcoder.code.git import ignored_by_git, listed_by_git
from localcoder.errors import LocalcoderError
from localcoder.evaluate.holes import Hole
from localcoder.evaluate.journal import Journal, key_of
from localcoder.evaluate.run import EvaluationProgress, Measured
from localcoder.evaluate.sandbox import Limits, Outcome, Place, Sandbox
from localcoder.files import reason

_SLOWER = 10
"""How many times as long as with the code as it is a command may take. Chosen: so that tests that hang are seen."""
_SHORTEST_S, _LONGEST_S = 10.0, 600.0
_COMPLAINT = re.compile(r":\d+|error|warning|failed|failure|exception", re.IGNORECASE)
_NOT_COPIED = (".git", ".hg", ".svn", ".jj")
_CACHES = re.compile(r"cache", re.IGNORECASE)

_Stamp = tuple[int, int, int, int]

Checks = Mapping[tuple[str, str], "Checked"]
"""By the candidate's name and the hole's key."""


@dataclass(frozen=True)
class Checked:
    """What a command said of one suggestion; `complaints` are lines that it does not print of the code as it is."""

    passed: bool
    complaints: int
    over: str = ""


class Checker:
    """A copy of a repository, in which one file at a time is changed. Close it when it is no longer needed."""

    def __init__(self, folder: Path, command: str, sandbox: Sandbox) -> None:
        """Copies the repository, and runs the command on it as it is. Raises LocalcoderError."""
        self._command, self._sandbox, self._folder = command, sandbox, folder.resolve()
        self._root = tempfile.TemporaryDirectory(prefix="localcoder-check-")
        try:
            # The original may be worked on meanwhile.
            self._pristine, self._copy = Path(self._root.name) / "pristine", Path(self._root.name) / "copy"
            names = _copy(self._folder, self._pristine, _names(self._folder))
            self._stamps = _copy(self._pristine, self._copy, names)
            self._state = _digest(self._copy, self._stamps)
            self._place = Place(self._copy, self._folder, _readable(self._folder))
            self._limits = Limits(seconds=_LONGEST_S)
            self.truth = self._sandbox.run(command, self._place, self._limits)
            self._clean()
        except OSError as error:
            self.close()
            raise LocalcoderError(f"{folder} cannot be copied: {reason(error)}.", "Make room.") from None
        except BaseException:
            self.close()
            raise
        self._limits = Limits(seconds=min(_LONGEST_S, max(_SHORTEST_S, _SLOWER * self.truth.seconds)))
        self._usual = set(_complaints(self.truth.output))

    @property
    def note(self) -> str:
        """How the command takes the code as it is: no suggestion can do better."""
        truth = self.truth
        if truth.over is not None:
            return f"The check went over its limit of {truth.over} with the code as it is."
        if truth.code == 0:
            return f"The check passes with the code as it is, in {truth.seconds:.1f} s."
        return (
            f"The check ends with {truth.code} on the code as it is: a suggestion passes that ends so too, without a "
            "new complaint."
        )

    def close(self) -> None:
        """Remove the copy."""
        self._root.cleanup()

    def all_of(
        self, holes: Sequence[Hole], measured: Sequence[Measured], journal: Journal
    ) -> Generator[EvaluationProgress, None, dict[tuple[str, str], Checked]]:
        """Check every suggestion; the same text in the same place is checked once."""
        found: dict[tuple[str, str], Checked] = {}
        wanted = [
            (each.candidate.name, hole, each.results[hole.key].text)
            for hole in holes
            for each in measured
            if hole.key in each.results
        ]
        begun, new = time.monotonic(), 0
        for done, (name, hole, text) in enumerate(wanted):
            rate = new / max(time.monotonic() - begun, 1e-9)
            yield EvaluationProgress("Running the check", done, len(wanted), rate, unit="suggestions")
            key = key_of("check", self._command, self._state, hole.key, text)
            if (known := journal.get(key)) is not None:
                found[name, hole.key] = Checked(**known)
                continue
            found[name, hole.key] = self.check(hole, text)
            journal.put(key, asdict(found[name, hole.key]))
            new += 1
        yield EvaluationProgress("Running the check", len(wanted), len(wanted), 0.0, unit="suggestions")
        return found

    def check(self, hole: Hole, text: str) -> Checked:
        """What the command says with this text in the hole."""
        if text == hole.middle:
            return self._judged(self.truth)
        path = self._copy / hole.file.name
        whole = hole.file.text
        path.write_bytes((whole[: hole.start] + text + whole[hole.end :]).encode())
        try:
            return self._judged(self._sandbox.run(self._command, self._place, self._limits))
        finally:
            self._clean()

    def _judged(self, outcome: Outcome) -> Checked:
        new = len(set(_complaints(outcome.output)) - self._usual)
        is_as_usual = outcome.code == self.truth.code and outcome.over is None and self.truth.over is None
        return Checked(is_as_usual and (self.truth.code == 0 or not new), new, outcome.over or "")

    def _clean(self) -> None:
        """Have the copy as it was: whatever the command changed there would count for the next suggestion.

        A link that it made is removed and never followed: it may lead out of the copy.
        """
        seen = set()
        for parent, folders, names in os.walk(self._copy, topdown=False):
            links = [name for name in folders if Path(parent, name).is_symlink()]
            for path in (Path(parent, name) for name in (*names, *links)):
                relative = path.relative_to(self._copy).as_posix()
                if self._stamps.get(relative) == _stamp(path):
                    seen.add(relative)
                else:
                    path.unlink()
            for name in folders:
                with contextlib.suppress(OSError):
                    Path(parent, name).rmdir()  # Where it is empty now.
        for relative in self._stamps.keys() - seen:
            self._stamps[relative] = _put(self._pristine / relative, self._copy / relative)


def _complaints(output: str) -> list[str]:
    """Lines that look like complaints, without the numbers in them: these change with every line that is added."""
    return [re.sub(r"\d+", "#", line.strip()) for line in output.splitlines() if _COMPLAINT.search(line)]


def _copy(folder: Path, target: Path, names: Iterable[str]) -> dict[str, _Stamp]:
    """Copy these files; returns what tells whether a copied one was changed, by its name."""
    target.mkdir()
    # What is gone since it was listed, or is no file, is left out.
    there = [name for name in names if (folder / name).is_symlink() or (folder / name).is_file()]
    return {name: _put(folder / name, target / name) for name in there}


def _put(source: Path, target: Path) -> _Stamp:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return _stamp(target)


def _names(folder: Path) -> Sequence[str]:
    listed = listed_by_git(folder)
    if listed is not None:
        return sorted(listed)
    names = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_COPIED]
        names += [Path(parent, name).relative_to(folder).as_posix() for name in files]
    return sorted(names)


def _readable(folder: Path) -> tuple[Path, ...]:
    """What is not copied, and a command may need: what was installed or built there, and the history."""
    ignored = [folder / name for name in ignored_by_git(folder) if not _CACHES.search(name)]
    return tuple(path for path in (*(folder / name for name in _NOT_COPIED), *ignored) if path.exists())


def _digest(copy: Path, names: Mapping[str, object]) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = copy / name
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        digest.update(hashlib.sha256(os.fsencode(name)).digest() + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _stamp(path: Path) -> _Stamp:
    """The time of the last change of a file's data or its place cannot be set: it tells what hides a change."""
    found = path.lstat()
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
