"""Which files of a repository are taken into its index, and what of them."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePath

from localcoder.code.languages import language_of
from localcoder.code.outline import Outline, has_outline, outline
from localcoder.code.walk import MAX_FILE_BYTES, code_files
from localcoder.code.written import is_generated, is_minified
from localcoder.repository.pieces import Piece, cut

_SECRET_NAME = re.compile(
    r"id_(?:rsa|dsa|ecdsa|ed25519)|.*\.(?:pem|key|p12|pfx|jks|keystore|tfvars|env)"
    r"|(?:.*[._-])?(?:secrets?|credentials?|service[._-]?account|passwords?)\.(?:json|ya?ml|toml|txt)",
    re.IGNORECASE,
)
_SECRET_MARKS = (
    b"PRIVATE KEY", b"AKIA", b"ASIA", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"xox", b"sk_live_",
    b"AIza",
)  # fmt: skip
"""One of them is in whatever `SECRET_TEXT` finds, and is found sooner."""
SECRET_TEXT = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{36}\b"
    rb"|\bgithub_pat_\w{60}|\bxox[abpr]-[0-9]{8}|\bsk_live_[0-9A-Za-z]{20}|\bAIza[0-9A-Za-z_-]{35}\b"
)
"""Keys that are known by their form, and cannot be anything else."""
_GENERATED_NAME = re.compile(
    r".*(?:\.min\.(?:js|css)|_pb2(?:_grpc)?\.pyi?|\.pb\.(?:go|cc|h)|\.g\.dart|\.designer\.cs)"
    r"|package-lock\.json|composer\.lock|pnpm-lock\.yaml|npm-shrinkwrap\.json",
    re.IGNORECASE,
)
_DATA = frozenset({"json", "yaml", "toml", "html", "css", "sql"})
_LARGEST_DATA_BYTES = 64 << 10
"""What is larger is a table."""


_NOTHING = Outline()


@dataclass(frozen=True)
class Stamp:
    """A file's state by its directory entry: what is the same is not read again."""

    mtime_ns: int
    ctime_ns: int
    size_bytes: int


@dataclass(frozen=True)
class Content:
    """What the index holds of a file; nothing but the digest of what is not taken."""

    digest: bytes
    outline: Outline = _NOTHING
    pieces: tuple[Piece, ...] = ()


def files_of(root: Path) -> list[Path]:
    """The files that are looked at, by their names alone."""
    return [path for path in code_files(root) if is_name_taken(path)]


def is_name_taken(path: PurePath) -> bool:
    """Not what its name says is a secret, or was generated."""
    return _SECRET_NAME.fullmatch(path.name) is None and _GENERATED_NAME.fullmatch(path.name) is None


def stamp_of(path: Path) -> Stamp | None:
    """None for what is not there, is no file of its own, or too large to be written by hand.

    What a link leads to is in the repository by its own name, or does not belong to it.
    """
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
        return None
    return Stamp(found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def digest_of(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def read(path: Path, data: bytes) -> Content:
    """What is taken of a file with these bytes."""
    digest = digest_of(data)
    if b"\0" in data or _is_secret(data):
        return Content(digest)
    text = data.decode("utf-8", "replace")
    language = language_of(path, text.partition("\n")[0])
    is_table = language.name in _DATA and len(data) > _LARGEST_DATA_BYTES
    if is_table or is_minified(text) or is_generated(text):
        return Content(digest)
    found = outline(text, language) if has_outline(language) else _NOTHING
    return Content(digest, found, cut(text, found.definitions))


def _is_secret(data: bytes) -> bool:
    return any(mark in data for mark in _SECRET_MARKS) and SECRET_TEXT.search(data) is not None


def name_of(root: Path, path: Path) -> bytes:
    """The file's name below the root as the index has it: file names need not be text."""
    return os.fsencode(path.relative_to(root).as_posix())
