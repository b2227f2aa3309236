"""The StarCoder2 models there are: where, how large, and what they need while they run. The data is catalog.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit


@dataclass(frozen=True)
class Size:
    """One of the published sizes. `kv_bytes_per_token` is for an f16 cache."""

    label: str
    parameters: int
    layers: int
    kv_bytes_per_token: int
    note: str


@dataclass(frozen=True)
class Entry:
    """A file on the Hugging Face hub. `size_bytes` is about right until the hub says it exactly.

    `is_listed`: one of the few that a list shows when it is not asked for all. `checkpoint` is what it was made from.
    """

    name: str
    repository: str
    file: str
    type_name: str
    size_bytes: int
    size: Size
    sha256: str = ""
    is_listed: bool = False
    checkpoint: str = ""

    @property
    def local_name(self) -> str:
        """What the file is called here."""
        return self.file.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class PublishedCheckpoint:
    """What BigCode published, to convert from: a repository on the hub."""

    repository: str
    size: Size
    size_bytes: int


@dataclass(frozen=True)
class Convertible:
    """A type of a checkpoint that nobody published as a file, and that is made here. `size_bytes` is about right."""

    name: str
    checkpoint: PublishedCheckpoint
    type_name: str
    size_bytes: int

    @property
    def local_name(self) -> str:
        """What the file is called here."""
        return f"{self.checkpoint.repository.rsplit('/', 1)[-1]}-{self.type_name}.gguf"


@dataclass(frozen=True)
class Published:
    """What somebody measured of a checkpoint, in percent, by language or by suite.

    `source` names a text and its table, or several that agree, `address` where they are.
    """

    checkpoint: str
    benchmark: str
    figures: Mapping[str, float]
    source: str
    address: str
    note: str = ""


DEFAULT_TYPE = "Q4_K_M"
"""Small, fast and nearly as good as the original: what a name without a type means."""


def _read() -> tuple[
    tuple[Size, ...],
    tuple[Entry, ...],
    tuple[PublishedCheckpoint, ...],
    tuple[Convertible, ...],
    tuple[Published, ...],
]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    data = tomlkit.parse(text).unwrap()
    sizes, checkpoints = {}, []
    convertible: list[Convertible] = []
    for item in data["size"]:
        size = Size(item["label"], item["parameters"], item["layers"], item["kv_bytes_per_token"], item["note"])
        sizes[size.label] = size
        checkpoints.append(PublishedCheckpoint(item["checkpoint"], size, item["checkpoint_bytes"]))
        for kind, count in item.get("converted", {}).items():
            name = f"starcoder2:{size.label.lower()}-{kind.lower()}"
            convertible.append(Convertible(name, checkpoints[-1], kind, count))
    entries: list[Entry] = []
    for item in data["model"]:
        size = sizes[item["size"]]
        own = item.get("checkpoint") or next(each.repository for each in checkpoints if each.size is size)
        entries += _entries(item, size, own)
        if "checkpoint" in item:
            checkpoints.append(PublishedCheckpoint(item["checkpoint"], size, item["checkpoint_bytes"]))
    published = tuple(Published(**item) for item in data["published"])
    return tuple(sizes.values()), tuple(entries), tuple(checkpoints), tuple(convertible), published


def _entries(item: dict[str, Any], size: Size, checkpoint: str) -> Iterator[Entry]:
    for kind in sorted(item["bytes"], key=lambda kind: kind != DEFAULT_TYPE):
        yield Entry(
            item["name"] if kind == DEFAULT_TYPE else f"{item['name']}-{kind.lower()}",
            item["repository"],
            item["file"].format(type=kind),
            kind,
            item["bytes"][kind],
            size,
            item.get("sha256", {}).get(kind, ""),
            kind in item["listed"],
            checkpoint,
        )


SIZES, ALL_ENTRIES, CHECKPOINTS, CONVERTIBLE, PUBLISHED = _read()
ENTRIES = tuple(entry for entry in ALL_ENTRIES if entry.is_listed)
"""The shortlist; `ALL_ENTRIES` has every type."""

DEMO = "nano"
"""The bundled demonstration model's name."""

LICENCE = (
    "StarCoder2's weights are under the BigCode OpenRAIL-M licence: free to use and to pass on, with use restrictions "
    "(its Attachment A) that go with every copy."
)

_APART = 5.0
"""Points. Chosen: more than the 95 % interval of a share of a thousand tasks, which is 3."""

_TYPE = re.compile(r"(IQ\d_\w+|Q\d(?:_[0-9A-Z]+)*|BF16|F16|F32)$", re.IGNORECASE)


def find(name: str) -> Entry | None:
    """The entry of a name like `starcoder2:7b-q5_k_m`, in any case; `starcoder2:3b-q4_k_m` is `starcoder2:3b`."""
    wanted = name.lower().removesuffix(f"-{DEFAULT_TYPE.lower()}")
    return next((entry for entry in ALL_ENTRIES if entry.name == wanted), None)


def type_in_name(stem: str) -> str:
    """The quantization that a file's name ends in; empty when it names none."""
    match = _TYPE.search(stem)
    return match[1].upper() if match else ""


def checkpoint_in_name(stem: str) -> str:
    """The published checkpoint that a file or a model is called after; empty for any other, adapted ones too."""
    plain = re.sub(r"[^a-z0-9]+", "-", _TYPE.sub("", stem).lower()).strip("-")
    names = {re.sub(r"[^a-z0-9]+", "-", each.repository.rsplit("/", 1)[-1]): each.repository for each in CHECKPOINTS}
    return names.get(plain.removeprefix("bigcode-"), "")


def published_of(checkpoint: str) -> tuple[Published, ...]:
    """What was published of it."""
    return tuple(each for each in PUBLISHED if each.checkpoint == checkpoint)


def contradictions(published: Sequence[Published]) -> list[str]:
    """Where those who measured the same are apart by more than chance explains, a sentence each."""
    found = []
    for benchmark in dict.fromkeys(each.benchmark for each in published):
        same = [each for each in published if each.benchmark == benchmark]
        for part in dict.fromkeys(name for each in same for name in each.figures):
            values = [(each.figures[part], each.source) for each in same if part in each.figures]
            low, high = min(values), max(values)
            if high[0] - low[0] > _APART:
                found.append(f"{benchmark}, {part}: {low[0]} ({low[1]}) or {high[0]} ({high[1]})")
    return found


def size_in_name(stem: str) -> Size | None:
    """The published size that a file's name speaks of."""
    match = re.search(r"(?<![\d.])(3|7|15)b", stem, re.IGNORECASE)
    return next((size for size in SIZES if match and size.label == f"{match[1]}B"), None)
