"""The settings that the app goes by, in one place: who uses them reads them there, and is told when one changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from localcoder import settings
from localcoder.assembly import usable
from localcoder.settings import Settings


class LiveSettings:
    """`now` holds every value as it is at the moment."""

    def __init__(self, now: Settings) -> None:
        self.now = now
        self._watchers: list[Callable[[str], None]] = []

    def watch(self, changed: Callable[[str], None]) -> None:
        """Call `changed` with the name of each setting that changes from now on, after the change."""
        self._watchers.append(changed)

    def change(self, name: str, value: object) -> None:
        """Write a setting to the file, apply it, and say so. Raises LocalcoderError; then nothing has changed.

        A model or an adapter that cannot be found is such an error: kept, it would be one at every start.
        """
        value = usable(name, value)
        settings.save({name: value})
        self.now = replace(self.now, **{name: value})  # type: ignore[arg-type]
        for changed in self._watchers:
            changed(name)
