"""What can be wrong with a server, as far as it matters which it is."""

from __future__ import annotations

from localcoder.errors import LocalcoderError


class ServerAway(LocalcoderError):
    """It cannot be reached, is not ready, or broke off: another try, or another model, may do."""


class NotOffered(LocalcoderError):
    """This server has no such path."""
