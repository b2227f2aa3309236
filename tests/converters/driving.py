"""Runs long work to its end, and conversions from a checkpoint's folder to files."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeVar

from converters.checkpoint import open_checkpoint
from converters.convert import run
from converters.imatrix import read_imatrix
from converters.model import find_recipe, plan_model, read_model, recipe_mixture
from converters.plan import ConversionPlan
from converters.progress import Progress
from converters.rows import LocalShards

Result = TypeVar("Result")


def finish(work: Generator[Progress, None, Result]) -> Result:
    """Run the work, and return what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result


def plan_recipes(checkpoint: Path, out: Path, types: Sequence[str], imatrix: Path | None = None) -> ConversionPlan:
    """The plan of an output for each type."""
    model, matrix = read_model(open_checkpoint(checkpoint)), read_imatrix(imatrix) if imatrix else None
    return plan_model(model, [recipe_mixture(model, find_recipe(t), matrix) for t in types], out, imatrix=matrix)


def convert(checkpoint: Path, out: Path, *types: str, imatrix: Path | None = None) -> ConversionPlan:
    """Convert to each type; returns the plan that was carried out."""
    plan = plan_recipes(checkpoint, out, types, imatrix)
    finish(run(plan, LocalShards(checkpoint)))
    return plan
