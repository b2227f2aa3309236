"""How long `localcoder FILE` takes from its start to the file on the screen, in a real pseudo-terminal.

python -m tests.benchmarks.first_frame [RUNS]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.tui.terminal import terminal


def main(runs: int) -> None:
    times = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        path = Path(folder) / "file.py"
        path.write_text("first_line = 1\n" * 200, encoding="utf-8")
        for _ in range(runs):
            start = time.perf_counter()
            with terminal(str(path)) as term:
                term.until("first_line")
                times.append(time.perf_counter() - start)
    print(f"first frame: median {statistics.median(times):.2f} s, worst {max(times):.2f} s of {runs}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
