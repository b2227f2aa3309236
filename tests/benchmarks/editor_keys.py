"""What a key costs in the editor, by the size of the text: from the key to the drawn frame, ghost on and off.

    python -m tests.benchmarks.editor_keys [KILOBYTES …]

Prints the median and the 95th percentile in milliseconds, and what the first opening takes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from textual.events import Key
from textual.pilot import Pilot

from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.screens.edit import EditScreen
from localcoder.tui.start import Opened
from localcoder.tui.widgets.editor import Editor
from tests.tui.fake_engine import FakeEngine

# From the standard library: what is measured on one commit can be compared with what is measured on another.
_PIECE = Path(argparse.__file__).read_text(encoding="utf-8")
_KEYS = 40


def text_of(kilobytes: int) -> str:
    """Real code of about that size."""
    return (_PIECE * (kilobytes * 1024 // len(_PIECE) + 1))[: kilobytes * 1024]


async def key_costs(pilot: Pilot[None], editor: Editor, *, with_ghost: bool) -> list[float]:
    """Milliseconds of each key, handled and drawn."""
    costs = []
    for number in range(_KEYS):
        if with_ghost:
            editor.show_ghost("xyz()\n    and more\n    and more")
        await pilot.pause()
        start = time.perf_counter()
        character = "abc(\n"[number % 5]
        key = {"(": "left_parenthesis", "\n": "enter"}.get(character, character)
        editor.post_message(Key(key, character))
        await pilot._wait_for_screen()
        editor.screen._on_timer_update()
        costs.append((time.perf_counter() - start) * 1000)
    return costs


async def main(sizes: list[int]) -> None:
    for kilobytes in sizes:
        app = LocalcoderApp(lambda model: FakeEngine(), [Opened(TextFile(text_of(kilobytes)), Path("file.py"))])
        start = time.perf_counter()
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            opened = time.perf_counter() - start
            screen = app.screen
            assert isinstance(screen, EditScreen)
            screen.completing.is_automatic = False
            editor = screen.editor
            editor.move_cursor((editor.document.line_count // 2, 0), center=True)
            for with_ghost in (False, True):
                costs = sorted(await key_costs(pilot, editor, with_ghost=with_ghost))
                ghost = "on " if with_ghost else "off"
                late = costs[int(len(costs) * 0.95)]
                print(
                    f"{kilobytes:>6} KB  ghost {ghost}  median {statistics.median(costs):6.1f} ms  95 % {late:6.1f} ms"
                    f"  opened in {opened:.2f} s"
                )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        asyncio.run(main([int(size) for size in sys.argv[1:]] or [10, 100, 1024]))
