"""Facts by name, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def lines_of(facts: Mapping[str, Any]) -> Iterator[str]:
    """A line for each that is known: its name, and its value, numbers in groups of three digits."""
    for name, value in facts.items():
        if isinstance(value, dict):
            value = "  ".join(f"{key} {item}" for key, item in value.items() if item is not None)
        elif isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        if value not in (None, ""):
            yield f"{name.replace('_', ' '):<16} {value}"
