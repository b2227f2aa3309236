"""The one error that a user can cause and is shown."""

from __future__ import annotations


class LocalcoderError(Exception):
    """What went wrong, in one line, and what to do about it, in another.

    `exit_code` is what the command ends with: 2 when the call itself was wrong (a missing file, a cursor outside it),
    1 when the call was right and the work failed (a full disk, a worker that died).
    """

    def __init__(self, what: str, todo: str = "", *, exit_code: int = 1) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.exit_code = exit_code
