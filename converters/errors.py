"""The one error that a bad checkpoint, a bad file or a full disk causes here."""

from __future__ import annotations


class ConvertError(Exception):
    """What went wrong, in one line, and what to do about it, in another; `exit_code` as a command should end with.

    `is_passing`: the same may work later, as after a full disk, so what is done already is worth keeping.
    """

    def __init__(self, what: str, todo: str = "", *, exit_code: int = 1, is_passing: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.exit_code = exit_code
        self.is_passing = is_passing
