"""The fields of a JSON body, checked as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

MAX_TOKENS = 4096
"""Chosen: the window of the published models."""


class BadBody(Exception):
    """A field is missing or wrong; the message is one line for the client."""


def text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """A string field. Raises BadBody."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise BadBody(f"'{name}' has to be a string.")
    return value


def number(body: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number from `low` to `high`; null is the default. Raises BadBody."""
    value = body.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"'{name}' has to be a number.")
    # An int may be too large for a float; NaN is between nothing.
    if not low <= value <= high:
        raise BadBody(f"'{name}' has to be between {low} and {high}.")
    return value


def flag(body: dict[str, Any], name: str) -> bool:
    """True or false, false where it is missing. Raises BadBody."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadBody(f"'{name}' has to be true or false.")
    return value


def choice(body: dict[str, Any], name: str, choices: Sequence[str], default: str) -> str:
    """One of `choices`. Raises BadBody."""
    value = body.get(name, default)
    if value not in choices:
        raise BadBody(f"'{name}' has to be one of {', '.join(choices)}.")
    return cast(str, value)


def seed(body: dict[str, Any]) -> int:
    """The field `seed`, with -1 for any as 0. Raises BadBody."""
    return max(int(number(body, "seed", 0, -1, 2**32 - 1)), 0)


def first_token_s(body: dict[str, Any], usual: float | None) -> float | None:
    """The field `first_token_budget_ms` in seconds; None, for no limit, where it is 0. Raises BadBody."""
    budget_ms = number(body, "first_token_budget_ms", (usual or 0) * 1000, 0, 1e9)
    return budget_ms / 1000 if budget_ms else None
