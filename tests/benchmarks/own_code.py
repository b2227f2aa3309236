"""What `localcoder eval` says of this project's own code: the bundled model against smaller types of itself.

    python tests/benchmarks/own_code.py CHECKPOINT [--minutes 4] [--html FILE]

CHECKPOINT is the bundled model's (`nano`), which is converted to F16, Q8_0, Q4_0 and Q2_K; F16 is the reference. Each
suggestion is put into a copy of the project, where ruff looks for what cannot run (its rules E9 and F). One thread, so
that it can be measured beside other work. With one thread, 158 holes in 83 files fitted 4 minutes; in nats a token:

    F16 3.102; Q8_0 +0.002 [+0.000 +0.003], Q4_0 +0.032 [+0.020 +0.046], Q2_K +0.175 [+0.142 +0.205]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("F16", "Q8_0", "Q4_0", "Q2_K")
PROMPT_TOKENS = 512
"""Twice the bundled model's window."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--html", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        localcoder = [sys.executable, "-m", "localcoder"]
        types = [part for name in TYPES for part in ("-t", name)]
        subprocess.run([*localcoder, "convert", args.checkpoint, *types, "-o", folder], check=True, cwd=ROOT)
        files = [Path(folder, f"{args.checkpoint.name}-{name}.gguf") for name in TYPES]
        models = [part for file in files for part in ("--model", str(file))]
        check = f"{sys.executable} -m ruff check --no-cache --select E9,F --output-format concise ."
        command = [*localcoder, "eval", ROOT / "localcoder", *models, "--reference", files[0], "--threads", "1"]
        command += ["--tokens", str(PROMPT_TOKENS), "--context", "off", "--time", str(args.minutes), "--check", check]
        command += ["--html", args.html.absolute()] if args.html else []
        subprocess.run([*map(str, command)], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
