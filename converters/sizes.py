"""Sizes as people write them."""

from __future__ import annotations

import math
import re

from converters.errors import ConvertError

_UNITS = {"": 1, "B": 1, "K": 10**3, "KB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9, "T": 10**12,
          "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip


def parse_size(text: str) -> int:
    """Bytes of "2.0GiB", "2GB", "500M" (decimal, as llama.cpp's splits) or a plain number."""
    match = re.fullmatch(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or not (size := math.floor(float(match[1]) * unit)):
        raise ConvertError(f"{text[:40]!r} is not a size.", "For example: 2GB, or 1.8GiB.", exit_code=2)
    return size
