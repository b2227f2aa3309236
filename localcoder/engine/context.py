"""A context of llama.cpp: the KV cache's cells, and what is computed with them. Runs in the worker process only.

Function names, structs and constants are those of llama.cpp's `include/llama.h`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from localcoder.engine.api import Lora, Sampling
from localcoder.engine.model import Model, first_error, forget_errors
from localcoder.engine.sampler import Sampler
from localcoder.engine.wire import Load
from localcoder.errors import LocalcoderError

MAX_BATCH = 128
"""Tokens a decode call takes at most: as fast as larger ones on a CPU, and the compute buffer stays small."""
MAX_OUTPUTS = 64
"""Positions of one batch whose logits can be asked for."""
ARCHIVE_CELLS = 512
"""KV cells beyond window and batch, for tokens that left the window and may be needed again."""
_SEQUENCES = 16
_SLOT_SEQUENCES = 4


class DecodeAborted(Exception):
    """The abort flag was raised while a batch was computed."""


class Context:
    """A model, loaded, and one context on it. Belongs to one thread, but for `abort`."""

    first_spare_sequence = _SLOT_SEQUENCES
    spare_sequences = _SEQUENCES - _SLOT_SEQUENCES
    """Sequences that no slot of the cache uses."""

    def __init__(self, load: Load) -> None:
        self.model = model = Model(load)
        wanted = min(model.n_ctx_train, model.window or model.n_ctx_train) + MAX_BATCH + ARCHIVE_CELLS
        self._context = self._new_context(load, load.n_ctx or wanted)
        self._set_loras(load.loras)
        self._memory = lib.llama_get_memory(self._context)
        self.can_shift: bool = lib.llama_memory_can_shift(self._memory)
        self.n_cells: int = lib.llama_n_ctx(self._context)
        self.n_threads = load.n_threads
        self.is_on_gpu = bool(load.n_gpu_layers) and bool(lib.llama_supports_gpu_offload())
        """Whether some layers are; only what the processor computes can be aborted in the middle of a batch."""
        self.info = model.info(self.n_cells)
        self._batch = lib.llama_batch_init(MAX_BATCH, 0, 1)
        # Called once a graph node, from a thread that computes: strlen of a string that is empty until someone writes
        # a byte into it answers "abort?" without entering Python, which would cost a lock a node.
        self._abort = ctypes.create_string_buffer(2)
        self._abort_check = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)
        self._abort_once_shifted = lib.ggml_abort_callback(self._is_abort_due)
        self._is_shift_pending = False
        self._first_of_batch = (0, 0)
        self._set_abort_check(self._abort_check)

    def _new_context(self, load: Load, n_ctx: int) -> int:
        params = lib.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = MAX_BATCH
        params.n_outputs_max = MAX_OUTPUTS
        params.n_seq_max = _SEQUENCES
        params.kv_unified = True
        # Else batches of 32 tokens and more go to a GPU that holds no layer, weights and all, and cannot be aborted.
        params.op_offload = bool(load.n_gpu_layers)
        params.n_threads = params.n_threads_batch = load.n_threads
        params.no_perf = True
        forget_errors()
        context: int = lib.llama_init_from_model(self.model.handle, params)
        if not context:
            raise LocalcoderError(
                f"{self.model.path.name}: no memory for a context of {n_ctx} tokens ({first_error()}).",
                "Close other programs, or choose a smaller model.",
            )
        return context

    def _set_loras(self, loras: Sequence[Lora]) -> None:
        """Raises LocalcoderError for one that does not fit the model."""
        if loras:
            adapters = (lib.llama_adapter_lora_p_ctypes * len(loras))()
            for i, lora in enumerate(loras):
                adapters[i] = self.model.adapter(lora)
            scales = (ctypes.c_float * len(loras))(*(lora.scale for lora in loras))
            lib.llama_set_adapters_lora(self._context, adapters, len(loras), scales)

    # Memory (the protocol of `cache.Memory`)

    def seq_rm(self, seq: int, p0: int, p1: int) -> None:
        lib.llama_memory_seq_rm(self._memory, seq, p0, p1)

    def seq_cp(self, source: int, target: int, p0: int, p1: int) -> None:
        lib.llama_memory_seq_cp(self._memory, source, target, p0, p1)

    def seq_add(self, seq: int, p0: int, p1: int, delta: int) -> None:
        """Shift positions. Their keys are rotated before the next batch is computed."""
        lib.llama_memory_seq_add(self._memory, seq, p0, p1, delta)
        self._is_shift_pending = True

    def seq_pos_max(self, seq: int) -> int:
        return int(lib.llama_memory_seq_pos_max(self._memory, seq))

    def sequence_state(self, seq: int) -> bytearray | None:
        """llama.cpp's own copy of a sequence's cells; None while the keys of some have yet to be rotated."""
        if self._is_shift_pending:
            return None
        size = lib.llama_state_seq_get_size(self._context, seq)
        data = bytearray(size)
        written = lib.llama_state_seq_get_data(self._context, (ctypes.c_uint8 * size).from_buffer(data), size, seq)
        return data if written == size else None

    def restore_sequence(self, seq: int, data: bytearray) -> bool:
        """Put a state into a sequence. The data has to be whole: llama.cpp asserts on what is not."""
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        return bool(lib.llama_state_seq_set_data(self._context, buffer, len(data), seq) > 0)

    # Computing

    def abort(self) -> None:
        """Make the decode that runs, or the next one, end early. From any thread."""
        self._abort[0] = b"\1"

    def clear_abort(self) -> None:
        self._abort[0] = b"\0"

    def _set_abort_check(self, check: Any) -> None:
        lib.llama_set_abort_callback(self._context, check, ctypes.addressof(self._abort))

    def _is_abort_due(self, _: object) -> bool:
        """No abort while keys are rotated: the next batch would rotate those that were done a second time.

        A batch's own cells are in the memory from the moment on when the rotation is over.
        """
        seq, position = self._first_of_batch
        return bool(self._abort.value) and self.seq_pos_max(seq) >= position

    def decode(self, ids: Sequence[int], position: int, outputs: int = 0, seq: int = 0) -> None:
        """Compute a batch whose first token stands at `position`; the last `outputs` tokens get logits.

        Raises DecodeAborted, or LocalcoderError when no cells are left.
        """
        batch, count = self._batch, len(ids)
        batch.n_tokens = count
        for i, token in enumerate(ids):
            batch.token[i] = token
            batch.pos[i] = position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = seq
            batch.logits[i] = i >= count - outputs
        self._run(batch)

    def _run(self, batch: Any) -> None:
        forget_errors()
        if self._is_shift_pending:
            self._first_of_batch = (batch.seq_id[0][0], batch.pos[0])
            self._set_abort_check(self._abort_once_shifted)
        status = lib.llama_decode(self._context, batch)
        if self.is_on_gpu:
            # The call only hands work to a GPU: without waiting for it, nobody knows how long a batch takes.
            lib.llama_synchronize(self._context)
        if self._is_shift_pending:
            self._set_abort_check(self._abort_check)
            self._is_shift_pending = status < 0
        if status == 2:
            raise DecodeAborted
        if status == 1:
            raise LocalcoderError(
                f"The context of {self.n_cells} tokens is full: no room for {batch.n_tokens} more.",
                "Shorten the prompt, or ask for less.",
            )
        if status != 0:
            raise LocalcoderError(
                f"llama.cpp could not decode a batch (status {status}: {first_error()}).",
                "Shorten the prompt, or try again.",
            )

    def decode_each(self, entries: Sequence[tuple[int, int, int]]) -> None:
        """Compute one batch of (token, position, sequence), each of which gets logits. Raises as `decode`."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for i, (token, position, seq) in enumerate(entries):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = seq
            batch.logits[i] = True
        self._run(batch)

    def allow_only(self, index: int, beginning: bytes) -> None:
        """Rule out, in an output's logits, every token that does not go along with `beginning`."""
        allowed = self.model.beginning_with(beginning)
        logits = self.logits(index)
        kept = logits[allowed].copy()
        logits[:] = -np.inf
        logits[allowed] = kept

    def logits(self, index: int = -1) -> np.ndarray:
        """A view of the logits, [n_vocab] float32, of an output of the last batch; valid until the next decode."""
        pointer = lib.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, shape=(self.model.n_vocab,))

    def use_threads(self, count: int) -> None:
        """Compute with so many threads from the next batch on."""
        lib.llama_set_n_threads(self._context, count, count)

    def sampler(self, sampling: Sampling, history: Sequence[int] = (), alternative: int = 0) -> Sampler:
        return Sampler(self._context, self.model.n_vocab, sampling, history, alternative)

    def close(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        self.model.close()
