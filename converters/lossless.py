"""The smallest of BF16, F16 and F32 that holds a checkpoint's matrices without loss.

The 3B and the 15B are published in F32. If every value is one that BF16 can hold, the file that is half as large says
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from converters.checkpoint import SourceTensor
from converters.convert import cores
from converters.model import Model
from converters.progress import Progress
from converters.recipes import is_quantizable
from converters.rows import Reader, ShardSource, read_rows, row_blocks

Values = npt.NDArray[np.float32]

_BLOCK_VALUES = 1 << 22
"""Values compared at a time: 16 MiB as float32. Chosen: as comparing is fast, blocks are larger than a conversion's."""


def lossless_type(model: Model, shards: ShardSource, threads: int = 0) -> Generator[Progress, None, str]:
    """Yields progress while values are compared, and returns the type; nothing is read where the dtypes say it."""
    matrices = [source for name, source in model.sources.items() if is_quantizable(name, source.shape)]
    for candidate, is_exact in (("BF16", _is_bf16), ("F16", _is_f16)):
        doubtful = [source for source in matrices if source.dtype != candidate]
        if (yield from _all_exact(doubtful, is_exact, shards, threads or cores())):
            return candidate
    return "F32"


def _all_exact(
    sources: list[SourceTensor], is_exact: Callable[[Values], bool], shards: ShardSource, threads: int
) -> Generator[Progress, None, bool]:
    total, done = sum(source.size_bytes for source in sources), 0
    with ThreadPoolExecutor(threads) as executor:
        for shard in sorted({source.shard for source in sources}):
            yield from shards.fetch(shard)
            with shards.open(shard) as path, Reader(path) as reader:
                for source in (s for s in sources if s.shard == shard):
                    check = _Check(source, is_exact, reader)
                    for exact in executor.map(check, row_blocks(source.shape, _BLOCK_VALUES)):
                        if not exact:
                            executor.shutdown(cancel_futures=True)
                            return False
                    done += source.size_bytes
                    yield Progress("examine", done, total, 0.0)
    return True


class _Check:
    def __init__(self, source: SourceTensor, is_exact: Callable[[Values], bool], reader: Reader) -> None:
        self._source, self._is_exact, self._reader = source, is_exact, reader

    def __call__(self, rows: tuple[int, int]) -> bool:
        return self._is_exact(read_rows(self._reader, self._source, *rows))


def _is_bf16(values: Values) -> bool:
    return not (values.view(np.uint32) & 0xFFFF).any()


def _is_f16(values: Values) -> bool:
    with np.errstate(over="ignore"):
        return bool((values.astype(np.float16).astype(np.float32) == values).all())
