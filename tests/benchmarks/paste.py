"""How long a bracketed paste of some size takes in a real pseudo-terminal, from the first byte to the drawn frame.

python -m tests.benchmarks.paste [KILOBYTES …]
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.benchmarks.editor_keys import text_of
from tests.tui.terminal import terminal


def main(sizes: list[int]) -> None:
    for kilobytes in sizes:
        text = text_of(kilobytes)
        os.environ["XDG_STATE_HOME"] = tempfile.gettempdir()
        with tempfile.TemporaryDirectory() as folder, terminal(str(Path(folder) / "new.py")) as term:
            term.until("Type or paste")
            term.pump(1.0)
            term.child.delaybeforesend = None
            start = time.perf_counter()
            threading.Thread(target=term.child.send, args=(f"\x1b[200~{text}\x1b[201~",)).start()
            term.until(f"Ln {text.count(chr(10)) + 1},", seconds=60)
            print(f"{kilobytes:>6} KB pasted in {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 100, 1024])
