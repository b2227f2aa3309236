"""What the first real model would be on this machine, in one line: which, how long it takes to come, how fast it is."""

from __future__ import annotations

from localcoder.models.memory_fit import advise, available_bytes, gigabytes

_LINE_BYTES_S = 12_500_000
"""Of a line of 100 Mbit/s, which is what the minutes of a download are said for."""
_WEIGHTS_READ = 24 * 3_030_371_328 / 4_364
"""How many parameters the bundled model would have if it read as fast for its size as a 3B does.

Measured on two cores with AVX2: the bundled model reads 4,364 tokens a second (`localcoder bench`), a 3B at Q4_K_M 24.
"""


def first_model(bundled_reads_per_s: float) -> str:
    """`bundled_reads_per_s`: tokens of a prompt that the bundled model has just read in a second here."""
    free = available_bytes()
    entry = advise(free).entry
    if entry is None:
        return f"{gigabytes(free)} of memory are free: too little for StarCoder2 3B. F2 says what each size needs."
    minutes = max(1, round(entry.size_bytes / _LINE_BYTES_S / 60))
    reads = bundled_reads_per_s * _WEIGHTS_READ / entry.size.parameters
    return (
        f"A real model for this machine: {entry.name}, {gigabytes(entry.size_bytes)}, "
        f"{minutes} minute{'s' if minutes > 1 else ''} at 100 Mbit/s. By the bundled model's speed just now it would "
        f"read some {reads:.0f} tokens a second, which is no promise. F2 gets it."
    )
