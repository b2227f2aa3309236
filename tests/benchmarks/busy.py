"""Generation while another program keeps one core busy, against the same on an idle machine.

    python tests/benchmarks/busy.py MODEL.gguf --tokens 48 [--threads N]

Runs `localcoder`'s engine as the app does, in turns idle and busy, and prints tokens/s and the share that is kept.
"""

import argparse
import asyncio
import statistics
import sys
from pathlib import Path

import psutil

from localcoder.engine.api import Finished, Request, Sampling
from localcoder.engine.local import LocalEngine


async def tokens_per_s(engine: LocalEngine, count: int) -> float:
    info = await engine.info()
    endless = Sampling(logit_bias=tuple((i, -1e9) for i in info.end_ids))
    (ids,) = await engine.tokenize(["def main():\n    print('hello')\n"])
    async for event in engine.generate(Request(ids, count, endless, drafts=False)):
        if isinstance(event, Finished):
            return event.stats.tokens_per_s
    raise RuntimeError("no end")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    engine = LocalEngine(args.model, n_threads=args.threads)
    idle, busy = [], []
    await tokens_per_s(engine, 4)
    for _ in range(args.rounds):
        idle.append(await tokens_per_s(engine, args.tokens))
        burner = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        try:
            await asyncio.sleep(1.0)
            busy.append(await tokens_per_s(engine, args.tokens))
        finally:
            burner.kill()
            await burner.wait()
        await asyncio.sleep(1.0)
    await engine.close()
    print(f"load of others before the end: {psutil.getloadavg()[0]:.1f}")
    print("idle", *(f"{x:.1f}" for x in idle), "  busy", *(f"{x:.1f}" for x in busy), "tokens/s")
    kept = statistics.median(busy) / statistics.median(idle)
    print(f"idle {statistics.median(idle):.1f}, busy {statistics.median(busy):.1f} tokens/s: {kept:.0%} kept")


if __name__ == "__main__":
    asyncio.run(main())
