"""What whoever runs the server should know of its clients, said once."""

from __future__ import annotations

import logging

_LOG = logging.getLogger(__name__)
_MOST = 200
"""Remarks that are remembered. Chosen: clients may send anything, and a log must not grow with it."""


class Remarks:
    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, line: str) -> None:
        """Say it, unless it was said already."""
        if line not in self._said and len(self._said) < _MOST:
            self._said.add(line)
            _LOG.warning(line)
