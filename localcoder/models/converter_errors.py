"""Errors of the converters, as a user is told of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from converters.errors import ConvertError
from localcoder.errors import LocalcoderError


@contextlib.contextmanager
def as_user_error() -> Iterator[None]:
    """Raise what converters raise as a LocalcoderError that says the same."""
    try:
        yield
    except ConvertError as error:
        raise LocalcoderError(error.what, error.todo, exit_code=error.exit_code) from None
