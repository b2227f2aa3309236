"""What `localcoder eval` says of the bundled model, as its card quotes it.

    pip download --no-deps --only-binary=:all: -d whl flask==3.1.3 marshmallow==4.4.0 requests==2.34.2 tqdm==4.70.1
    python tests/benchmarks/nano_card.py whl [--holes 400] [--write]

Runs it on this project's own code, and on the packages that were held out of the model's training (their wheels, in
the versions of its recipe), on copies, so that a prompt does not depend on where this repository was cloned. The number
of holes is given instead of the time, and one thread computes: any machine gives the same figures, up to rounding;
speeds, which would not, are left out. Prints the card's table; `--write` puts it into `assets/nano/README.md`. It takes
four minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "assets" / "nano" / "README.md"
BEGIN, END = "<!-- Written by tests/benchmarks/nano_card.py -->\n\n", "\n<!-- As far as here -->\n"
PROMPT_TOKENS = 512
"""Twice the model's window."""
MEASURES = ("nats a token", "whole right", "edit similarity", "parses", "ended by itself", "characters saved")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--holes", type=int, default=400)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own, held_out = Path(folder, "own"), Path(folder, "held-out")
        shutil.copytree(ROOT / "localcoder", own / "localcoder", ignore=shutil.ignore_patterns("__pycache__"))
        wheels = sorted(args.wheels.glob("*.whl"))
        for wheel in wheels:
            package = wheel.name.partition("-")[0]
            zipfile.ZipFile(wheel).extractall(held_out / package)
            (held_out / package / ".git").mkdir()
        (own / ".git").mkdir()
        reports = [evaluated(each, args.holes) for each in (own, held_out)]
    table = as_markdown(reports, [wheel.name.split("-")[0] for wheel in wheels], args.holes)
    print(table)
    if args.write:
        before, _, rest = CARD.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        CARD.write_text(before + BEGIN + table + END + after, encoding="utf-8")


def evaluated(folder: Path, holes: int) -> dict[str, Any]:
    """What `localcoder eval` prints of the bundled model on the code below a folder."""
    command = [sys.executable, "-m", "localcoder", "eval", str(folder), "--model", "nano", "--holes", str(holes)]
    command += ["--tokens", str(PROMPT_TOKENS), "--context", "off", "--threads", "1", "--json", "--fresh"]
    report: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    return report


def as_markdown(reports: list[dict[str, Any]], packages: list[str], holes: int) -> str:
    """A column for this project's code, one for the held-out packages."""
    candidates = [report["candidates"][0] for report in reports]
    rows = [
        ["", "this project's code", ", ".join(packages)],
        ["---", "--:", "--:"],
        ["holes (files)", *(f"{report['holes']} ({report['files']})" for report in reports)],
    ]
    for name in MEASURES:
        values = [each["measures"][name]["value"] for each in candidates]
        is_share = name not in ("nats a token", "edit similarity")
        rows.append([name, *(f"{value:.1%}" if is_share else f"{value:.2f}" for value in values)])
    for name in candidates[0]["parts"]:
        parts = [each["parts"].get(name) for each in candidates]
        cells = [f"{part['whole_right']:.1%} of {part['holes']}" if part else "–" for part in parts]
        rows.append([f"whole right, {re.sub('^no names', 'without names', name)}", *cells])
    options = f"--holes {holes} --tokens {PROMPT_TOKENS} --context off --threads 1"
    lines = [f"`localcoder eval FOLDER --model nano {options}`:", "", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
