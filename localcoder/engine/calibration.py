"""Sums of squares of what each matrix is multiplied with, taken from llama.cpp while it runs: an importance matrix.

The evaluation callback (`cb_eval` of llama.h) is called for each node of the graph, first to ask whether its data are
wanted. A matrix product has the weights as `src[0]` and its inputs as `src[1]`. `Tensor` is `struct ggml_tensor` of
ggml.h, which the bindings do not describe; what is read of it is checked before it is believed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import numpy.typing as npt

from localcoder.engine.context import DecodeAborted
from localcoder.engine.model import Model
from localcoder.errors import LocalcoderError

_F32 = 0


class Tensor(ctypes.Structure):
    """`struct ggml_tensor`: `ne` values and `nb` bytes a step in each dimension, the row first."""


Tensor._fields_ = (
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * 10),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
)


class Calibrator:
    """A context of its own on a model that lies in main memory, whose matrix products are watched.

    `sums` maps a weight's GGUF name to Σx² by input column, in float64, `counts` to the inputs summed. A sequence is
    at most `max_tokens` long. Belongs to one thread. With `is_cancelled` it gives up in the middle of one.
    """

    def __init__(self, model: Model, n_threads: int, max_tokens: int, is_cancelled: Callable[[], bool]) -> None:
        self.sums: dict[str, npt.NDArray[np.float64]] = {}
        self.counts: dict[str, int] = {}
        self._is_cancelled = is_cancelled
        self._failure = ""
        self._callback = lib.ggml_backend_sched_eval_callback(self._on_node)
        context = lib.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = max_tokens
        context.n_threads = context.n_threads_batch = n_threads
        context.cb_eval = self._callback
        context.op_offload = context.offload_kqv = False
        self._context = lib.llama_init_from_model(model.handle, context)
        if not self._context:
            raise LocalcoderError(f"No memory for {max_tokens} tokens at once.", "Give a smaller --chunk-size.")

    def add(self, ids: Sequence[int]) -> None:
        """Run one sequence from position 0 and add its inputs to the sums. Raises DecodeAborted when cancelled."""
        lib.llama_memory_clear(lib.llama_get_memory(self._context), True)
        batch = lib.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for i, token in enumerate(ids):
                batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
                batch.seq_id[i][0] = 0
                # The last layer computes only positions with an output.
                batch.logits[i] = True
            failed = lib.llama_decode(self._context, batch) != 0
            if self._is_cancelled():
                raise DecodeAborted
            if failed or self._failure:
                raise LocalcoderError(
                    f"The model failed on a text: {self._failure or 'decoding'}.", "Try another text."
                )
        finally:
            lib.llama_batch_free(batch)

    def close(self) -> None:
        lib.llama_free(self._context)

    def _on_node(self, address: Any, ask: bool, _: Any) -> bool:
        node = ctypes.cast(address, ctypes.POINTER(Tensor)).contents
        if not node.src[0] or not node.src[1]:
            return not ask
        weights, inputs = node.src[0].contents, node.src[1].contents
        name = weights.name.decode("utf-8", "replace")
        # Norms and biases come with the data as src[0]: only products have a layer's matrix there.
        if not name.startswith("blk.") or not name.endswith(".weight") or weights.ne[1] < 2 or inputs.type != _F32:
            return not ask
        if not ask:
            if self._is_cancelled():
                return False
            try:
                self._sum(name, weights, inputs)
            except ValueError as error:
                self._failure = str(error)
                return False
        return True

    def _sum(self, name: str, weights: Tensor, inputs: Tensor) -> None:
        columns, rows = inputs.ne[0], inputs.ne[1]
        if columns != weights.ne[0] or inputs.ne[2] * inputs.ne[3] != 1 or inputs.nb[0] != 4 or not inputs.data:
            raise ValueError(f"unexpected inputs of {name}")
        flat = np.ctypeslib.as_array(
            (ctypes.c_float * (inputs.nb[1] // 4 * (rows - 1) + columns)).from_address(inputs.data)
        )
        values = np.lib.stride_tricks.as_strided(flat, (rows, columns), (inputs.nb[1], 4))
        added = np.einsum("ij,ij->j", values, values, dtype=np.float64)
        if not np.isfinite(added).all():
            raise ValueError(f"inputs of {name} that are not finite")
        self.sums[name] = self.sums[name] + added if name in self.sums else added
        self.counts[name] = self.counts.get(name, 0) + rows
