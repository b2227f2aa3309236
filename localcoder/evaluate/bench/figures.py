"""What is measured: the figures, one value a round of each, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from localcoder.evaluate.statistics import MedianInterval, median_interval
from localcoder.models.memory_fit import gigabytes

Unit = Literal["s", "tokens/s", "tokens", "bytes", "J"]
Program = Literal["localcoder", "llama-server", "llama-bench"]


@dataclass(frozen=True)
class Figure:
    """One thing that is measured. `prompt_tokens` is the length of the prompt, where it is measured at several."""

    name: str
    unit: Unit
    prompt_tokens: int | None = None

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name}, {self.prompt_tokens:,} tokens" if self.prompt_tokens else self.name


LOAD = Figure("load", "s")
COLD = Figure("first token, cold", "s")
COLD_CONTEXT = Figure("context of it, cold", "tokens")
TYPING = Figure("first token, typing", "s")
TYPING_SLOWEST = Figure("slowest of them", "s")
TYPING_READ = Figure("read for each", "tokens")
TYPING_CONTEXT = Figure("context of each", "tokens")
GENERATION = Figure("generation", "tokens/s")
GENERATION_DRAFTS = Figure("generation, drafts", "tokens/s")
RESIDENT = Figure("memory, resident", "bytes")
PEAK = Figure("memory, peak", "bytes")
GENERATION_ENERGY = Figure("energy, a generated token", "J")
READING_ENERGY = Figure("energy, 1,000 tokens read", "J")

_ORDER = ("load", "first token, cold", "context of it, cold", "first token, typing", "slowest of them", "read for each",
          "context of each", "reading", "generation", "generation, drafts", "memory, resident", "memory, peak",
          "energy, a generated token", "energy, 1,000 tokens read")  # fmt: skip


def reading(prompt_tokens: int) -> Figure:
    """How fast a prompt of this length is read that nothing is known of."""
    return Figure("reading", "tokens/s", prompt_tokens)


def in_order(figures: set[Figure]) -> list[Figure]:
    """As they are shown."""
    return sorted(figures, key=lambda figure: (_ORDER.index(figure.name), figure.prompt_tokens or 0))


@dataclass(frozen=True)
class Sample:
    """One value, measured in one round."""

    figure: Figure
    value: float


@dataclass(frozen=True)
class Subject:
    """A model's file, run with so many threads."""

    model: str
    type_name: str
    size_bytes: int
    threads: int

    @property
    def label(self) -> str:
        return f"{self.model}, {self.threads} thread{'s' if self.threads != 1 else ''}"


@dataclass(frozen=True)
class Results:
    """What one program did with one model and so many threads: the values of each figure, one a round."""

    subject: Subject
    program: Program
    values: Mapping[Figure, tuple[float, ...]]

    def interval(self, figure: Figure) -> MedianInterval | None:
        """None when it was not measured."""
        values = self.values.get(figure)
        return median_interval(values) if values else None

    @property
    def rounds(self) -> int:
        """Rounds in which anything was measured."""
        return max(map(len, self.values.values()), default=0)


@dataclass(frozen=True)
class Machine:
    """What it was measured on. `load` is how many processes wanted a core when it began, by the system's count."""

    processor: str
    cores: int
    memory_bytes: int
    system: str
    gpus: tuple[str, ...]
    on_battery: bool
    load: float
    localcoder: str
    llama_cpp_python: str


@dataclass(frozen=True)
class Report:
    """All that was measured. `notes` are sentences on what was not, and why."""

    machine: Machine
    results: tuple[Results, ...]
    notes: tuple[str, ...] = ()


def shown(value: float, unit: Unit) -> str:
    """A value with its unit, to three digits."""
    if unit == "bytes":
        return gigabytes(round(value))
    return f"{shown_number(value)} {unit}"


def shown_number(value: float) -> str:
    """Three digits, and no more than three behind the point."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"
