"""llama-bench's turn: reading and generation on random tokens, as llama.cpp measures them itself."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.evaluate.bench.child import running
from localcoder.evaluate.bench.figures import GENERATION, PEAK, Program, Sample, reading
from localcoder.evaluate.bench.memory import watching
from localcoder.evaluate.bench.plan import Plan


@dataclass(frozen=True)
class LlamaBench:
    """One repetition of each test a round."""

    plan: Plan
    binary: Path

    program: Program = "llama-bench"

    async def turn(self, round_: int) -> AsyncGenerator[Sample, None]:
        """One round; closing it ends the program. Raises LocalcoderError."""
        plan = self.plan
        command = [
            str(self.binary), "-m", str(plan.setup.path), "-t", str(plan.setup.threads), "-r", "1", "-o", "json",
            "-p", ",".join(map(str, plan.lengths)), "-n", str(plan.generated),
        ]  # fmt: skip
        async with (
            running(command) as child,
            watching(child.pid) if child.pid else nullcontext() as memory,
        ):
            output = await child.output()
            for sample in _samples(output):
                yield sample
            if memory is not None and memory.peak_bytes:
                yield Sample(PEAK, memory.peak_bytes)


def _samples(output: bytes) -> list[Sample]:
    try:
        return [
            Sample(reading(test["n_prompt"]) if test["n_prompt"] else GENERATION, float(test["avg_ts"]))
            for test in json.loads(output)
        ]
    except (ValueError, KeyError, TypeError):
        raise LocalcoderError(
            f"llama-bench wrote what cannot be understood: {output[:80]!r}.", "Take a newer one."
        ) from None
