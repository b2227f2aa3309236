"""The README's recording, made by the real app on the bundled model: typing with suggestions, some of them taken.

    python -m tests.tui.recording

What is typed are places where the bundled model is right (`tests/tui/test_first_minute.py` looks at that).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from textual.pilot import Pilot

from localcoder import paths
from localcoder.engine.local import LocalEngine
from localcoder.models import store
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import ghost_text, until
from tests.tui.pictures import moving

_SIZE = (76, 20)
_KEY_S, _LOOK_S, _STEP_S = 0.07, 1.6, 0.5
_BEGINNING = '''"""Values that are kept by their keys."""


class Store:
    """Values by their keys."""

    def __init__(self):
        self._data = {}

'''
_TYPED = (
    ("    def get(self, key, default=None):\n", "return self._data.get(", ("tab",)),
    ("\n\ndef __setitem__(self, key, value):\n", "self._data[", ("ctrl+right",) * 4),
)
_NAMES = {" ": "space", "\n": "enter"}


class _Recorder:
    """Takes a picture after each thing that is done."""

    def __init__(self, app: LocalcoderApp, pilot: Pilot[None]) -> None:
        self._app = app
        self._pilot = pilot
        self.frames: list[tuple[str, float]] = []

    async def shoot(self, seconds: float) -> None:
        await self._pilot.pause()
        self.frames.append((self._app.export_screenshot(title=""), seconds))

    async def type(self, text: str) -> None:
        for character in text:
            await self._pilot.press(_NAMES.get(character, character))
            await self.shoot(_KEY_S)

    async def suggestion(self) -> None:
        await until(self._pilot, lambda: ghost_text(self._app) and not self._app.edit_screen.completing.is_running)
        await self.shoot(_LOOK_S)


async def main() -> None:
    opened = [Opened(TextFile(_BEGINNING), Path("store.py"), None, _BEGINNING.count("\n"), 0)]
    app = LocalcoderApp(lambda model: LocalEngine(store.resolve(model)), opened, chosen=Settings())
    async with app.run_test(size=_SIZE) as pilot:
        await until(pilot, lambda: app.engines.info)
        recorder = _Recorder(app, pilot)
        await recorder.shoot(_STEP_S)
        for head, begun, keys in _TYPED:
            app.edit_screen.completing.is_automatic = False
            await recorder.type(head)
            await recorder.type(begun[:-1])
            app.edit_screen.completing.is_automatic = True
            await recorder.type(begun[-1])
            await recorder.suggestion()
            for key in keys:
                await pilot.press(key)
                await recorder.shoot(_STEP_S)
            # Behind the bracket that the editor closed.
            await pilot.press("end")
        await recorder.shoot(_LOOK_S)
    target = paths.assets_dir() / "screenshots" / "typing.svg"
    target.write_text(moving(recorder.frames), encoding="utf-8")
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ[variable] = home
        asyncio.run(main())
