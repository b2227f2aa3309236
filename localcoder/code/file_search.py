"""Finding a text in the files of a folder: by ripgrep where it is installed, else by the walk and Python's expressions.

Either way the files are those that `localcoder.code.walk.files_below` names, up to a size; what ripgrep is told to
leave out by files of its own (`.ignore`) stays out too.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcoder.code.walk import MAX_FILE_BYTES, NOT_ONES_OWN, VERSION_CONTROL, files_below, read_code
from localcoder.errors import LocalcoderError

_LONGEST_LINE = 1_000
"""Characters of a line that are kept. Chosen: what is longer was not written by hand, and no screen shows it."""


@dataclass(frozen=True)
class Hit:
    """`name` is the file's below the folder. Row and columns count from 0, in characters; `line` may be cut short."""

    name: str
    row: int
    start: int
    end: int
    line: str


class FileSearch:
    """The lines that have a text, the first hit in each: go through it once, in any thread.

    `stop` ends it from another thread. Going through it raises LocalcoderError for an expression that is none.
    """

    def __init__(self, folder: Path, text: str, *, is_regex: bool = False, has_case: bool = False) -> None:
        self._folder = folder
        self._text = text
        self._is_regex = is_regex
        self._has_case = has_case
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def __iter__(self) -> Iterator[Hit]:
        program = shutil.which("rg")
        return self._by_ripgrep(program) if program else self._by_walk()

    def stop(self) -> None:
        self._is_stopped = True
        if self._process is not None:
            self._process.kill()

    def _by_ripgrep(self, program: str) -> Iterator[Hit]:
        left_out = [f"--glob=!**/{name}" for name in sorted({*VERSION_CONTROL, *NOT_ONES_OWN})]
        command = [
            program, "--no-config", "--json", "--hidden", "--no-require-git", "--no-messages",
            f"--max-filesize={MAX_FILE_BYTES}", *left_out,
            "--case-sensitive" if self._has_case else "--ignore-case",
            *([] if self._is_regex else ["--fixed-strings"]), "-e", self._text, "--", ".",
        ]  # fmt: skip
        try:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except (OSError, ValueError):
            yield from self._by_walk()
            return
        self._process = process
        with process:
            try:
                if self._is_stopped:
                    return
                assert process.stdout is not None and process.stderr is not None
                for line in process.stdout:
                    # A search that was stopped may have written half a line.
                    with suppress(ValueError):
                        yield from _hits_in(json.loads(line))
                said = process.stderr.read().decode("utf-8", "replace").strip()
                if process.wait() == 2 and not self._is_stopped and said:
                    raise _no_expression(said.splitlines()[-1].removeprefix("error: "))
            finally:
                process.kill()

    def _by_walk(self) -> Iterator[Hit]:
        flags = 0 if self._has_case else re.IGNORECASE
        try:
            pattern = re.compile(self._text if self._is_regex else re.escape(self._text), flags)
            anywhere = re.compile(pattern.pattern, flags | re.MULTILINE)
        except (re.error, OverflowError) as error:
            raise _no_expression(str(error)) from None
        for name in files_below(self._folder):
            if self._is_stopped:
                return
            text = _text_of(self._folder / name)
            if not anywhere.search(text):
                continue
            for row, line in enumerate(text.split("\n")):
                if match := pattern.search(line.rstrip("\r")):
                    yield Hit(name, row, *match.span(), line[:_LONGEST_LINE].rstrip("\r"))


def _no_expression(what: str) -> LocalcoderError:
    return LocalcoderError(f"Not a regular expression: {what}.", "Fix it, or search for plain text.")


def _text_of(path: Path) -> str:
    """Empty for what is no text, is too large, is no file, or went away."""
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            return read_code(path)
    return ""


def _hits_in(message: dict[str, Any]) -> Iterator[Hit]:
    """Of one message as ripgrep's `--json` prints it: texts are `text`, or `bytes` in base64 if they are no UTF-8."""
    data = message["data"]
    if message["type"] != "match" or not data["submatches"]:
        return
    line, found = _bytes_of(data["lines"]), data["submatches"][0]
    start, end = (len(line[: found[side]].decode("utf-8", "replace")) for side in ("start", "end"))
    name = os.fsdecode(_bytes_of(data["path"]))
    shown = line[: 4 * _LONGEST_LINE].decode("utf-8", "replace")[:_LONGEST_LINE].rstrip("\r\n")
    yield Hit(name.replace(os.sep, "/").removeprefix("./"), data["line_number"] - 1, start, end, shown)


def _bytes_of(value: dict[str, str]) -> bytes:
    return base64.b64decode(value["bytes"]) if "bytes" in value else value["text"].encode("utf-8", "surrogatepass")
