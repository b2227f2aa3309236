"""StarCoder2 models that can be had as GGUF files: where, how large, and what they need while they run."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """One of the published sizes. `kv_bytes_per_token` is for an f16 cache."""

    label: str
    parameters: int
    kv_bytes_per_token: int
    note: str


SIZES = (
    Size("3B", 3_030_371_328, 30_720, "infills well"),
    Size("7B", 7_173_923_840, 65_536, "infills best"),
    Size("15B", 15_957_889_024, 81_920, "best from left to right; its infilling was trained little"),
)


@dataclass(frozen=True)
class Entry:
    """A file on the Hugging Face hub. `size_bytes` is about right until the hub says it exactly."""

    name: str
    repository: str
    file: str
    type_name: str
    size_bytes: int
    size: Size
    sha256: str = ""

    @property
    def local_name(self) -> str:
        """What the file is called here."""
        return self.file.rsplit("/", 1)[-1]


_3B, _7B, _15B = SIZES

ENTRIES = (
    Entry("starcoder2:3b", "second-state/StarCoder2-3B-GGUF", "starcoder2-3b-Q4_K_M.gguf", "Q4_K_M", 1_848_976_448, _3B,
          "d8fb39287a463549b80d97473b0a7595c3a5a6da3ae2604ca33906a1a43f7175"),
    Entry("starcoder2:3b-q8_0", "second-state/StarCoder2-3B-GGUF", "starcoder2-3b-Q8_0.gguf", "Q8_0",
          3_220_000_000, _3B),
    Entry("starcoder2:7b", "QuantFactory/starcoder2-7b-GGUF", "starcoder2-7b.Q4_K_M.gguf", "Q4_K_M", 4_461_280_384, _7B,
          "c6f8a3f618bfc1c2cf2172a6d28d43d1e3c3b0489544fd13ef3a73939728d943"),
    Entry("starcoder2:7b-q8_0", "QuantFactory/starcoder2-7b-GGUF", "starcoder2-7b.Q8_0.gguf", "Q8_0",
          7_630_000_000, _7B),
    Entry("starcoder2:15b", "second-state/StarCoder2-15B-GGUF", "starcoder2-15b-Q4_K_M.gguf", "Q4_K_M", 9_860_000_000,
          _15B),
    Entry("starcoder2:15b-instruct", "bartowski/starcoder2-15b-instruct-v0.1-GGUF",
          "starcoder2-15b-instruct-v0.1-Q4_K_M.gguf", "Q4_K_M", 9_860_000_000, _15B),
)  # fmt: skip

LICENCE = (
    "StarCoder2's weights are under the BigCode OpenRAIL-M licence: free to use and to pass on, with use restrictions "
    "(its Attachment A) that go with every copy."
)

_TYPE = re.compile(r"(IQ\d_\w+|Q\d(?:_[0-9A-Z]+)*|BF16|F16|F32)$", re.IGNORECASE)


def type_in_name(stem: str) -> str:
    """The quantization that a file's name ends in; empty when it names none."""
    match = _TYPE.search(stem)
    return match[1].upper() if match else ""


def size_in_name(stem: str) -> Size | None:
    """The published size that a file's name speaks of."""
    match = re.search(r"(?<![\d.])(3|7|15)b", stem, re.IGNORECASE)
    return next((size for size in SIZES if match and size.label == f"{match[1]}B"), None)
