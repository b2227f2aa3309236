"""The README's pictures, made by the real app on the bundled model.

python -m tests.tui.screenshots
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
from tests.tui.driving import ghost_text, screen_text, until
from tests.tui.pictures import without_outer_blanks

_SIZE = (100, 30)


async def _shoot(name: str, *keys: str) -> None:
    sample = TextFile((paths.assets_dir() / "samples" / "shelf.py").read_text(encoding="utf-8"))
    opened = [Opened(sample, Path("shelf.py"), None, 39, 16)]
    app = LocalcoderApp(lambda model: LocalEngine(store.resolve(model)), opened, chosen=Settings(automatic=False))
    async with app.run_test(size=_SIZE) as pilot:
        await _complete(app, pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.5)
        picture = without_outer_blanks(app.export_screenshot(title="localcoder"))
    target = paths.assets_dir() / "screenshots" / f"{name}.svg"
    target.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n", encoding="utf-8")
    print(target)


async def _complete(app: LocalcoderApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: app.engines.info)
    await pilot.press("f5")
    await until(pilot, lambda: ghost_text(app) and "tok/s" in screen_text(app))
    await pilot.pause(0.3)


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ[variable] = home
        await _shoot("editor")
        await _shoot("models", "f2", "down")
        await _shoot("inspect", "f4")


if __name__ == "__main__":
    asyncio.run(main())
