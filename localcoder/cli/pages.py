"""Reports as HTML files, written where the user says."""

from __future__ import annotations

from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.files import reason, write_file


def write_page(path: Path, page: str) -> None:
    """Raises LocalcoderError where it cannot be written."""
    try:
        write_file(path, page)
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be written: {reason(error)}.", "Name another file.") from None
