"""Chooses a type for each tensor: the file stays within a size, with the least quantization error.

The error of a tensor in a type is Σ w·(x − x̂)², with w the importance of x's column, in units of the tensor's mean (1
without a matrix). Without that unit, tensors with small inputs would lose all their bits, although later layers depend
on them just as much. The error is measured on a sample of
rows, all of them in a small model.

The choice is then a multiple-choice knapsack: one type for each tensor, sizes under the budget. It is solved by dynamic
programming over bytes (Kellerer, Pferschy, Pisinger: Knapsack Problems, 2004, chapter 11.5), exactly while sizes are
counted in their common divisor, and to within a thousandth of the budget where that would be too many states.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from gguf import LlamaFileType

from converters import ggml
from converters.checkpoint import SourceTensor
from converters.convert import cores
from converters.errors import ConvertError
from converters.imatrix import Columns, ImportanceMatrix, columns_of
from converters.model import Mixture, Model
from converters.plan import ALIGNMENT, tensor_bytes
from converters.progress import Progress
from converters.recipes import is_quantizable, type_for_columns
from converters.rows import Reader, ShardSource, read_rows, row_blocks

TYPES = ("Q2_K", "IQ3_S", "Q3_K", "IQ4_XS", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "BF16")
"""What a tensor may become."""

TYPES_WITH_IMATRIX = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS")
"""What it may also become where an importance matrix covers it."""

SAMPLE_VALUES = 1 << 18
"""Values measured of a tensor, in models larger than `SMALL_VALUES`. Chosen: 0.7 % of the 3B's largest
matrices, so that thirteen types together are less work than one conversion."""

SMALL_VALUES = 1 << 23
"""Values of all matrices together up to which every one is measured. Chosen: seconds of work."""

_STATES = 1 << 19
"""Sizes that the knapsack tells apart. Chosen: 4 MB an array. Each tensor is rounded up by at most one such step, so a
few hundred tensors waste at most a thousandth of the budget."""

_SAMPLED_PLACES = 8
"""Groups of rows in a sample. Chosen: rows that lie together may be alike, and eight reads are still quick."""

Errors = Mapping[tuple[str, str], float]
"""(tensor, type) → error, summed over the whole tensor."""


@dataclass(frozen=True)
class Allocation:
    """A solution: `error` is the sum over all tensors, `tensor_bytes` the size without header."""

    types: Mapping[str, str] = field(repr=False)
    error: float
    tensor_bytes: int


def candidate_types(model: Model, imatrix: ImportanceMatrix | None) -> dict[str, tuple[str, ...]]:
    """The types that each matrix may get; other tensors are not listed."""
    found = {}
    for name, source in model.sources.items():
        if is_quantizable(name, source.shape):
            covered = imatrix is not None and columns_of(imatrix.weights, name, source.shape[1]) is not None
            types = (*TYPES, *(TYPES_WITH_IMATRIX if covered else ()))
            found[name] = tuple(dict.fromkeys(type_for_columns(t, source.shape[1]) for t in types))
    return found


def measure_errors(
    model: Model,
    types: Mapping[str, Sequence[str]],
    shards: ShardSource,
    imatrix: ImportanceMatrix | None = None,
    threads: int = 0,
) -> Generator[Progress, None, dict[tuple[str, str], float]]:
    """Measure the error of each listed tensor in each of its types. Yields progress in bytes of tensors measured."""
    weights = imatrix.weights if imatrix else {}
    small = sum(math.prod(model.sources[name].shape) for name in types) <= SMALL_VALUES
    total = sum(model.sources[name].size_bytes for name in types)
    errors: dict[tuple[str, str], float] = {}
    done = 0
    for type_name in {t for listed in types.values() for t in listed}:
        ggml.prepare(type_name)
    with ThreadPoolExecutor(threads or cores()) as executor:
        for shard in sorted({model.sources[name].shard for name in types}):
            yield from shards.fetch(shard)
            with shards.open(shard) as path, Reader(path) as reader:
                for name in (n for n in types if model.sources[n].shard == shard):
                    source = model.sources[name]
                    columns = _relative(columns_of(weights, name, source.shape[1]))
                    for first, rows in _sampled(source, small):
                        values = read_rows(reader, source, first, rows).copy()
                        jobs = [(t, executor.submit(_error, t, values, columns)) for t in types[name]]
                        for type_name, job in jobs:
                            errors[name, type_name] = errors.get((name, type_name), 0.0) + job.result()
                    scale = source.shape[0] / sum(rows for _, rows in _sampled(source, small))
                    for type_name in types[name]:
                        errors[name, type_name] *= scale
                    done += source.size_bytes
                    yield Progress("measure", done, total, 0.0)
    return errors


def allocate(model: Model, errors: Errors, budget_bytes: int) -> Allocation:
    """The types of least total error whose tensors, padded, take at most `budget_bytes` (without the header).

    ConvertError (exit code 2) if nothing is that small.
    """
    fixed = {n: "F32" for n, source in model.sources.items() if not is_quantizable(n, source.shape)}
    budget = budget_bytes - sum(_padded_bytes(model, n, t) for n, t in fixed.items())
    groups = [_choices(model, name, errors) for name in model.sources if name not in fixed]
    least = sum(min(size for _, size, _ in choices) for _, choices in groups)
    if least > budget:
        need = (least + budget_bytes - budget) / 1e9
        raise ConvertError(
            f"The smallest file possible is {need:.2f} GB.", "Ask for more, or give --imatrix.", exit_code=2
        )
    chosen = _knapsack([choices for _, choices in groups], budget)
    types = dict(fixed)
    error, size = 0.0, budget_bytes - budget
    for (name, choices), index in zip(groups, chosen, strict=True):
        types[name], bytes_, cost = choices[index]
        error, size = error + cost, size + bytes_
    return Allocation({name: types[name] for name in model.sources}, error, size)


def allocated_mixture(label: str, allocation: Allocation) -> Mixture:
    """As an output. It follows no recipe, and llama.cpp's file type for that is "guessed"."""
    return Mixture(label, int(LlamaFileType.GUESSED), allocation.types)


def total_error(types: Mapping[str, str], errors: Errors) -> float:
    """The error of any mixture whose types were measured."""
    return sum(errors[name, type_name] for name, type_name in types.items() if (name, type_name) in errors)


_Choice = tuple[str, int, float]


def _choices(model: Model, name: str, errors: Errors) -> tuple[str, list[_Choice]]:
    """(type, padded bytes, error) of one tensor by size. A type is left out if a smaller one has no larger error."""
    every = sorted((_padded_bytes(model, n, t), error, t) for (n, t), error in errors.items() if n == name)
    kept: list[_Choice] = []
    for size, error, type_name in every:
        if not kept or error < kept[-1][2]:
            kept.append((type_name, size, error))
    return name, kept


def _knapsack(groups: Sequence[Sequence[_Choice]], budget: int) -> list[int]:
    """Index of the choice in each group: least summed error, summed size within the budget."""
    spare = budget - sum(choices[0][1] for choices in groups)
    extra = [[size - choices[0][1] for _, size, _ in choices] for choices in groups]
    unit = max(1, math.gcd(*(size for sizes in extra for size in sizes)))
    if (spare := min(spare, sum(sizes[-1] for sizes in extra))) // unit > _STATES:
        unit = -(-spare // _STATES)
    states = spare // unit + 1
    best: npt.NDArray[np.float64] = np.zeros(states)
    taken = np.zeros((len(groups), states), np.uint8)
    for row, (choices, sizes) in enumerate(zip(groups, extra, strict=True)):
        # best[s]: the least error so far within s units. Sizes are rounded up, so the budget always holds.
        merged = best + choices[0][2]
        for index in range(1, len(choices)):
            step = -(-sizes[index] // unit)
            if step >= states:
                break
            with_this = best[: states - step] + choices[index][2]
            better = with_this < merged[step:]
            merged[step:][better] = with_this[better]
            taken[row, step:][better] = index
        best = merged
    chosen, state = [], states - 1
    for row in range(len(groups) - 1, -1, -1):
        index = int(taken[row, state])
        chosen.append(index)
        state -= -(-extra[row][index] // unit)
    return chosen[::-1]


def _padded_bytes(model: Model, name: str, type_name: str) -> int:
    return -(-tensor_bytes(type_name, model.sources[name].shape) // ALIGNMENT) * ALIGNMENT


def _sampled(source: SourceTensor, whole: bool) -> list[tuple[int, int]]:
    """(first row, rows) of what is measured: everything in blocks, or groups of rows at even distances."""
    rows, columns = source.shape
    wanted = max(_SAMPLED_PLACES, SAMPLE_VALUES // columns)
    if whole or rows <= wanted:
        return list(row_blocks(source.shape, SAMPLE_VALUES))
    group = wanted // _SAMPLED_PLACES
    return [((rows - group) * k // (_SAMPLED_PLACES - 1), group) for k in range(_SAMPLED_PLACES)]


def _relative(weights: Columns | None) -> Columns | None:
    """In units of their mean; None for weights that say nothing."""
    if weights is None or not weights.mean() > 0:
        return None
    relative: Columns = weights / weights.mean()
    return relative


def _error(type_name: str, values: npt.NDArray[np.float32], weights: Columns | None) -> float:
    rows, columns = values.shape
    out = np.empty(rows * ggml.row_bytes(type_name, columns), np.uint8)
    ggml.quantize(type_name, values, out, weights)
    back = np.empty(rows * columns, np.float32)
    ggml.to_float(type_name, out, back)
    by_column = np.square(values - back.reshape(rows, columns)).sum(axis=0, dtype=np.float64)
    return float(by_column.sum() if weights is None else by_column @ weights.astype(np.float64))
