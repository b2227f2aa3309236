"""Which of a server's models is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcoder.engine.remote.address import Address
from localcoder.errors import LocalcoderError


def choose(models: Sequence[Mapping[str, Any]], address: Address, name: str = "id") -> Mapping[str, Any]:
    """The one that the address names behind `#`, else the first. Raises LocalcoderError (exit code 2)."""
    if not models:
        raise LocalcoderError(f"{address.base} serves no model.", "Load one there.", exit_code=2)
    if not address.model:
        return models[0]
    for model in models:
        if address.model == model[name]:
            return model
    there = ", ".join(str(model[name]) for model in models[:12])
    raise LocalcoderError(f"{address.base} has no model {address.model}.", f"It has: {there}.", exit_code=2)
