"""What a model's name can mean: a file here, a server, one of the catalogue, or a file on the hub."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.models.catalog import ALL_ENTRIES, DEFAULT_TYPE, DEMO, Entry, find

_HUB = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:/(?P<file>[^@]+))?(?:@(?P<revision>[\w./-]+))?"
)


@dataclass(frozen=True)
class LocalModel:
    """A GGUF file on this machine: it has a size, and may fit into memory or not."""

    path: Path


@dataclass(frozen=True)
class RemoteModel:
    """A model that another program serves over HTTP."""

    url: str


Reference = LocalModel | RemoteModel


def is_address(name: str) -> bool:
    """Whether a model's name is that of a server."""
    return name.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Source:
    """A file to pull. `file` empty: the repository has to be looked into first. `revision` empty: the newest."""

    name: str
    repository: str
    file: str = ""
    revision: str = ""
    sha256: str = ""
    save_as: str = ""

    @property
    def local_name(self) -> str:
        """What the file is called in the models directory."""
        return self.save_as or self.file.rsplit("/", 1)[-1]


def source_of(entry: Entry) -> Source:
    """An entry of the catalogue as something to pull."""
    return Source(entry.name, entry.repository, entry.file, sha256=entry.sha256)


def parse(text: str) -> Source | None:
    """What a name means: `starcoder2:3b`, `OWNER/REPOSITORY[/FILE][@REVISION]`; None when it is neither."""
    if entry := find(text):
        return source_of(entry)
    if match := _HUB.fullmatch(text):
        return Source(text, match["repository"], match["file"] or "", match["revision"] or "")
    return None


def to_pull(text: str, *, revision: str = "", save_as: str = "") -> Source:
    """What `pull` should get; raises LocalcoderError (exit code 2) for a name that means nothing."""
    source = parse(text)
    if text == DEMO:
        raise LocalcoderError(f"{DEMO} came with the program.", "There is nothing to pull.", exit_code=2)
    if source is None:
        near = difflib.get_close_matches(text.lower(), [entry.name for entry in ALL_ENTRIES], 1, 0.7)
        todo = (
            f"Did you mean {near[0]}?" if near else "`localcoder models --all` lists names; OWNER/REPOSITORY works too."
        )
        raise LocalcoderError(f"There is no model named {text!r} to pull.", todo, exit_code=2)
    if save_as and (not re.fullmatch(r"[\w][\w.+-]*", save_as)):
        raise LocalcoderError(
            f"{save_as!r} cannot be a model's name.", "Take letters, digits, . _ + and -.", exit_code=2
        )
    name = f"{save_as.removesuffix('.gguf')}.gguf" if save_as else ""
    return replace(source, revision=revision or source.revision, save_as=name)


def choose_file(source: Source, files: list[str]) -> Source:
    """The file of a repository that named none: its only GGUF file, or its Q4_K_M. Raises LocalcoderError."""
    models = sorted(name for name in files if name.lower().endswith(".gguf"))
    if not models:
        todo = "Convert it: localcoder convert " + source.repository
        raise LocalcoderError(f"{source.repository} has no GGUF files.", todo, exit_code=2)
    chosen = [name for name in models if DEFAULT_TYPE.lower() in name.lower()] if len(models) > 1 else models
    if len(chosen) != 1:
        listed = ", ".join(models[:12]) + (", …" if len(models) > 12 else "")
        raise LocalcoderError(f"{source.repository} has several files.", f"Name one of them: {listed}.", exit_code=2)
    return replace(source, file=chosen[0])
