"""What a user asks for, turned into a plan: recipes, `auto`, a size to fit, an importance matrix, split files."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from converters.bit_allocation import Allocation, allocate, allocated_mixture, candidate_types, measure_errors
from converters.errors import ConvertError
from converters.imatrix import ImportanceMatrix, read_imatrix
from converters.lossless import lossless_type
from converters.model import Mixture, Model, find_recipe, plan_model, recipe_mixture
from converters.plan import ConversionPlan
from converters.progress import Progress
from converters.recipes import RECIPES
from converters.rows import ShardSource


@dataclass(frozen=True)
class ConversionRequest:
    """What to make: `types` are recipes' names or "auto", `fit_bytes` is a file's size, `bpw` bits per weight.

    A size, or a number of threads, of 0 is unset.
    """

    out: Path
    types: tuple[str, ...] = ()
    fit_bytes: int = 0
    fit_label: str = ""
    bpw: float = 0.0
    imatrix: Path | None = None
    split_max_bytes: int = 0
    threads: int = 0


@dataclass(frozen=True)
class Prepared:
    """A plan, and the errors that were measured on the way, by (tensor, type); none where nothing was measured."""

    plan: ConversionPlan
    errors: Mapping[tuple[str, str], float] = field(default_factory=dict, repr=False)


def check(request: ConversionRequest) -> None:
    """Refuse a request that is wrong for any checkpoint, before anything is read or fetched."""
    if not request.types and not request.fit_bytes and not request.bpw:
        raise ConvertError("No type is given.", "For example: -t Q4_K_M, -t auto, or --fit 2GiB.", exit_code=2)
    for name in request.types:
        if name.lower() != "auto":
            find_recipe(name)
    if request.bpw and not 0 < request.bpw <= 32:
        raise ConvertError(f"{request.bpw} bits per weight are impossible.", "For example: --bpw 4.25.", exit_code=2)


def prepare(
    request: ConversionRequest, model: Model, shards: ShardSource, *, errors: bool = False
) -> Generator[Progress, None, Prepared]:
    """Plan the request's outputs. Weights are read only for `auto` on F32, for a size, and with `errors`.

    With `errors`, the error of every output's tensors is measured, not only where a size decides the types.
    """
    check(request)
    imatrix = read_imatrix(request.imatrix) if request.imatrix else None
    names = []
    for name in request.types:
        if name.lower() == "auto":
            name = yield from lossless_type(model, shards, request.threads)
        names.append(find_recipe(name).name)
    mixtures = [recipe_mixture(model, RECIPES[name], imatrix) for name in dict.fromkeys(names)]
    measured: dict[tuple[str, str], float] = {}
    if request.fit_bytes or request.bpw:
        measured = yield from measure_errors(model, candidate_types(model, imatrix), shards, imatrix, request.threads)
        mixtures += _allocated(request, model, measured, imatrix)
    if errors:
        wanted: dict[str, list[str]] = {}
        for mixture in mixtures:
            for tensor, type_name in mixture.types.items():
                if len(model.sources[tensor].shape) == 2 and (tensor, type_name) not in measured:
                    wanted.setdefault(tensor, []).append(type_name)
        types = {tensor: tuple(dict.fromkeys(listed)) for tensor, listed in wanted.items()}
        measured |= yield from measure_errors(model, types, shards, imatrix, request.threads)
    plan = plan_model(model, mixtures, request.out, imatrix=imatrix, split_max_bytes=request.split_max_bytes)
    return Prepared(plan, measured)


def _allocated(
    request: ConversionRequest, model: Model, errors: Mapping[tuple[str, str], float], imatrix: ImportanceMatrix | None
) -> list[Mixture]:
    found = []
    if request.bpw:
        weights = sum(math.prod(source.shape) for source in model.sources.values())
        allocation = allocate(model, errors, math.floor(weights * request.bpw / 8))
        found.append(allocated_mixture(f"{request.bpw:g}bpw", allocation))
    if request.fit_bytes:
        label = f"fit-{request.fit_label or request.fit_bytes}"
        found.append(allocated_mixture(label, _allocate_file(request, model, errors, imatrix, label)))
    return found


def _allocate_file(
    request: ConversionRequest,
    model: Model,
    errors: Mapping[tuple[str, str], float],
    imatrix: ImportanceMatrix | None,
    label: str,
) -> Allocation:
    """Types for a file of `fit_bytes`, its header included: as only a plan knows that, shrink until the plan fits."""
    budget = request.fit_bytes
    while True:
        allocation = allocate(model, errors, budget)
        mixture = allocated_mixture(label, allocation)
        plan = plan_model(model, [mixture], Path(), imatrix=imatrix, split_max_bytes=request.split_max_bytes)
        excess = plan.outputs[0].size_bytes - request.fit_bytes
        if excess <= 0:
            return allocation
        budget = min(budget, allocation.tensor_bytes) - excess
