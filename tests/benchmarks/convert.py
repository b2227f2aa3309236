"""How long a conversion takes and how much memory it holds, beside the steps of another program in the same run.

    python tests/benchmarks/convert.py CHECKPOINT -t Q4_K_M --work DIR \\
        --peer 'python convert_hf_to_gguf.py {checkpoint} --outfile {work}/peer-bf16.gguf --outtype bf16' \\
        --peer 'llama-quantize {work}/peer-bf16.gguf {work}/peer.gguf Q4_K_M'

The checkpoint is read once before, so that both sides find it in the page cache as far as it fits. Each peer step is a
command; their times are added.

Prints JSON: seconds, processor seconds and peak resident bytes of each side, and the
ratios of the times. On a machine that does other work besides, the processor seconds are the fairer ones.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path


def measure(command: list[str]) -> dict[str, float]:
    """Run a command; wall-clock seconds and the peak resident set of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"failed: {shlex.join(command)}")
    cpu = usage.ru_utime + usage.ru_stime
    unit = 1 if sys.platform == "darwin" else 1024
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_resident_bytes": usage.ru_maxrss * unit}


def read_once(checkpoint: Path) -> None:
    for path in checkpoint.glob("*.safetensors"):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-t", "--type", action="append", default=[], dest="types")
    parser.add_argument("--work", type=Path, required=True, help="where outputs go; they are removed")
    parser.add_argument("--peer", action="append", default=[], help="a step of another program")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    types = args.types or ["Q4_K_M"]
    read_once(args.checkpoint)
    ours = [sys.executable, "-m", "localcoder", "convert", str(args.checkpoint), "-o", str(args.work)]
    found: dict[str, object] = {"types": types}
    mine = measure(ours + [part for name in types for part in ("-t", name)])
    found["localcoder"] = mine
    steps = []
    for peer in args.peer:
        steps.append(measure(shlex.split(peer.format(checkpoint=args.checkpoint, work=args.work))))
    if steps:
        found["peer"] = steps
        for unit in ("seconds", "cpu_seconds"):
            found[f"ratio_of_{unit}"] = round(mine[unit] / sum(step[unit] for step in steps), 3)
    for path in args.work.glob("*.gguf*"):
        path.unlink()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
