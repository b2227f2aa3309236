"""What was measured, a line of JSON each, so that a run that was interrupted goes on.

A key is a hash of all that a result depends on; what has changed since is measured again, as nobody asks for its key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import localcoder
from localcoder.files import reason

_PARTS = ("code", "completion", "engine", "evaluate/measure.py", "evaluate/distance.py", "evaluate/suites")
"""What of the program a result depends on."""
_LIBRARIES = ("llama-cpp-python", "tree-sitter")


class Journal:
    """One file of results. A disk that takes no more costs the going on, not the run: `trouble` then says why."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """`fresh`: forget what it holds."""
        self._path = path
        self._known: dict[str, Any] = {}
        self.trouble = ""
        self._is_torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:
                path.unlink(missing_ok=True)
            self._read()
        except OSError as error:
            self.trouble = reason(error)

    def get(self, key: str) -> Any:
        """What was put there under this key, else None."""
        return self._known.get(key)

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep it, in memory in any case."""
        self._known[key] = value
        if self.trouble:
            return
        line = json.dumps([key, value]) + "\n"
        try:
            # Completions are somebody's code.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write((("\n" if self._is_torn else "") + line).encode())
            self._is_torn = False
        except OSError as error:
            self.trouble = reason(error)

    def _read(self) -> None:
        if not self._path.is_file():
            return
        data = self._path.read_bytes()
        self._is_torn = bool(data) and not data.endswith(b"\n")
        for line in data.splitlines():
            try:
                key, value = json.loads(line)
                self._known[str(key)] = value
            except (ValueError, TypeError):
                continue  # The end of a run that was killed.


def key_of(*parts: object) -> str:
    """A hash of what a result depends on, the program itself included."""
    return hashlib.sha256(repr((_program(), parts)).encode()).hexdigest()


@cache
def _program() -> str:
    """The source of what computes, and the libraries below it."""
    root = Path(localcoder.__file__).parent
    files = [
        file for part in _PARTS for file in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    ]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    for name in _LIBRARIES:
        try:
            digest.update(version(name).encode())
        except PackageNotFoundError:
            continue
    return digest.hexdigest()
