"""The screen never freezes: frames keep coming whatever the engine does."""

from __future__ import annotations

import time
from pathlib import Path

from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
from tests.tui.driving import edit_screen, screen_text, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.terminal import Terminal, terminal

_SLOW_APP = """
import sys
from tests.tui.fake_engine import FakeEngine
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.start import Opened
engine = FakeEngine(["answer"], load_s=1.5, reading_s=3.0)
LocalcoderApp(lambda model: engine, [Opened(TextFile("\\n" + "some text\\n" * 50))]).run()
"""


def test_keys_are_answered_while_the_model_loads_and_while_the_prompt_is_read() -> None:
    with terminal(program=_SLOW_APP) as term:
        term.until("loading the model")
        _typing_is_shown(term, "abc")
        term.until("reading", seconds=10)
        seen = set()
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            term.pump(0.1)
            seen.add(next((line for line in term.text.splitlines() if "reading" in line), ""))
        assert len(seen) >= 3, "the progress stood still"


def test_the_first_frame_does_not_wait_for_the_model(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text("first_line = 1\n")
    with terminal(str(path)) as term:
        # A limit that a busy machine keeps too; tests/benchmarks/first_frame.py measures.
        assert term.until("first_line", seconds=10) < 5


async def test_streaming_draws_each_piece() -> None:
    app = LocalcoderApp(lambda model: FakeEngine(["abcdefgh"], token_s=0.05), [Opened(TextFile("\n"))])
    async with app.run_test() as pilot:
        await pilot.press("f5")
        seen: set[str] = set()

        def is_done() -> bool:
            ghost = edit_screen(app).editor.ghost
            seen.add(ghost.text if ghost else "")
            return "tok/s" in screen_text(app)

        await until(pilot, is_done)
        assert len(seen) >= 4


def _typing_is_shown(term: Terminal, text: str) -> None:
    for end in range(1, len(text) + 1):
        term.send(text[end - 1])
        assert term.until(text[:end], seconds=5) < 1.0
